//! One test for each mistake that the lint finds. The tests of links are in `links.rs`.

use super::{CLONES, Fixture, INTRODUCTION, SVG};

const INTRO: &str = "book/src/introduction.md";
const PAGE: &str = "book/src/clones/index.md";
const CODE: &str = "chapters/01-clones/src/lib.rs";

#[test]
fn an_include_of_a_missing_file_is_found() {
    let fixture = Fixture::new().replace_in(PAGE, "lib.rs:turn", "gone.rs:turn");

    fixture.finds(
        "book/src/clones/index.md:4",
        "the included file `../../../chapters/01-clones/src/gone.rs` does not exist",
    );
}

#[test]
fn a_missing_anchor_is_found() {
    let fixture = Fixture::new().replace_in(PAGE, "lib.rs:turn", "lib.rs:trun");

    fixture.finds(
        "book/src/clones/index.md:4",
        "has no anchor `trun`, so the block is empty; did you mean `turn`?",
    );
}

#[test]
fn missing_anchor_of_rustdoc_include_is_found() {
    let fixture = Fixture::new().replace_in(
        PAGE,
        "{{#include ../../../chapters/01-clones/src/lib.rs:turn",
        "{{#rustdoc_include ../../../chapters/01-clones/src/lib.rs:gone",
    );

    fixture.finds("book/src/clones/index.md:4", "has no anchor `gone`");
}

#[test]
fn indented_code_is_found() {
    let fixture = Fixture::new().replace_in(CODE, "fn turn() {}", "    fn turn() {}");

    fixture.finds(
        "book/src/clones/index.md:3",
        "begins with 4 spaces; write `dedent4` after `rust`",
    );
}

#[test]
fn an_anchor_that_is_never_closed_is_found() {
    let fixture = Fixture::new().replace_in(CODE, "// ANCHOR_END: turn\n", "");

    fixture.finds("book/src/clones/index.md:4", "is never closed");
}

#[test]
fn included_lines_that_do_not_exist_are_found() {
    let fixture = Fixture::new().replace_in(PAGE, "lib.rs:turn", "lib.rs:4:9");

    fixture.finds("book/src/clones/index.md:4", "has 5 lines and no line 9");
}

#[test]
fn include_of_absolute_path_is_found() {
    let fixture = Fixture::new();
    let path = fixture.path(CODE).display().to_string();

    fixture
        .replace_in(PAGE, "../../../chapters/01-clones/src/lib.rs:turn", &path)
        .finds("book/src/clones/index.md:4", "is an absolute path");
}

#[test]
fn include_in_included_page_is_checked() {
    let fixture = Fixture::new()
        .with("book/src/clones/part.md", "{{#include gone.md}}\n")
        .replace_in(PAGE, "## A killed", "{{#include part.md}}\n\n## A killed");

    fixture.finds(
        "book/src/clones/index.md:7",
        "the included file `gone.md` does not exist",
    );
}

#[test]
fn an_empty_block_is_found() {
    let fixture = Fixture::new().replace_in(PAGE, "{{#include ../sessions/one.txt}}\n", "");

    fixture.finds("book/src/clones/index.md:9", "this code block is empty");
}

#[test]
fn block_with_empty_include_is_found() {
    let fixture = Fixture::new().replace_in(CODE, "fn turn() {}\n", "");

    fixture.finds("book/src/clones/index.md:3", "this code block is empty");
}

#[test]
fn unknown_mdbook_helper_is_found() {
    let fixture =
        Fixture::new().replace_in(PAGE, "{{#include ../sessions", "{{#inlcude ../sessions");

    fixture.finds(
        "book/src/clones/index.md:10",
        "mdBook does not know `{{#inlcude ../sessions/one.txt}}`",
    );
}

#[test]
fn a_missing_image_is_found() {
    let fixture = Fixture::new().replace_in(INTRO, "images/one.svg", "images/two.svg");

    fixture.finds(
        "book/src/introduction.md:5",
        "`images/two.svg` (img src) is a dead link",
    );
}

#[test]
fn image_without_alt_text_is_found() {
    let fixture = Fixture::new().replace_in(INTRO, "![A balancer and two clones]", "![]");

    fixture.finds(
        "book/src/introduction.md:5",
        "image `images/one.svg` has no alt text",
    );
}

#[test]
fn incomplete_drawing_is_found() {
    for (gone, lacks) in [
        ("<title>t</title>", "no <title>"),
        ("<desc>d</desc>", "no <desc>"),
        (
            "<rect width=\"9\" height=\"9\" fill=\"#fff\"/>",
            "no background",
        ),
    ] {
        let fixture = Fixture::new().with("book/src/images/one.svg", &SVG.replace(gone, ""));

        fixture.finds("book/src/images/one.svg:1", lacks);
    }
}

#[test]
fn page_missing_in_summary_is_found() {
    let fixture = Fixture::new().with("book/src/clones/orphan.md", "# Orphan\n");

    fixture.finds(
        "book/src/clones/orphan.md:1",
        "SUMMARY.md does not name this page",
    );
}

#[test]
fn included_page_needs_no_summary_entry() {
    let fixture = Fixture::new()
        .with("book/src/clones/part.md", "A part.\n")
        .replace_in(PAGE, "## A killed", "{{#include part.md}}\n\n## A killed");

    assert_eq!(fixture.report(), "4 pages, no finding");
}

#[test]
fn summary_entry_without_page_is_found() {
    let fixture = Fixture::new().replace_in(
        "book/src/SUMMARY.md",
        "- [Clones]",
        "- [Gone](gone.md)\n- [Clones]",
    );

    fixture.finds("book/src/SUMMARY.md:5", "the page `gone.md` does not exist");
}

#[test]
fn a_draft_in_the_summary_is_found() {
    let fixture = Fixture::new().replace_in(
        "book/src/SUMMARY.md",
        "- [Clones]",
        "- [Later]()\n- [Clones]",
    );

    fixture.finds("book/src/SUMMARY.md:5", "\"Later\" is a draft");
}

#[test]
fn a_block_without_a_language_is_found() {
    let fixture = Fixture::new().replace_in(PAGE, "```text", "```");

    fixture.finds("book/src/clones/index.md:9", "names no language");
}

#[test]
fn a_block_that_is_only_indented_is_found() {
    let fixture = Fixture::new().with(PAGE, &format!("{CLONES}\n    cargo run\n"));

    fixture.finds("book/src/clones/index.md:13", "only indented");
}

#[test]
fn missing_path_is_found() {
    let fixture = Fixture::new().replace_in(INTRO, "src/lib.rs:3", "src/gone.rs:3");

    fixture.finds(
        "book/src/introduction.md:9",
        "`chapters/01-clones/src/gone.rs` does not exist",
    );
}

#[test]
fn missing_path_in_command_is_found() {
    let fixture = Fixture::new().replace_in(
        INTRO,
        "cargo workshop doctor",
        "diff -r exercises/ solutions/",
    );

    fixture.finds("book/src/introduction.md:13", "`solutions/` does not exist");
}

#[test]
fn missing_test_is_found() {
    let fixture = Fixture::new().replace_in(
        CODE,
        "a_killed_clone_loses_no_session",
        "no_session_dies_with_its_clone",
    );

    fixture.finds(
        "book/src/introduction.md:9",
        "there is no function `a_killed_clone_loses_no_session`",
    );
}

#[test]
fn missing_package_is_found() {
    let fixture = Fixture::new().replace_in(INTRO, "-p ch01-clones ", "-p ch01-clone ");

    fixture.finds(
        "book/src/introduction.md:12",
        "there is no package `ch01-clone`; did you mean `ch01-clones`?",
    );
}

#[test]
fn unknown_workshop_command_is_found() {
    let fixture = Fixture::new().replace_in(INTRO, "cargo workshop doctor", "cargo workshop nurse");

    fixture.finds(
        "book/src/introduction.md:13",
        "there is no `cargo workshop nurse`",
    );
}

#[test]
fn missing_command_list_is_a_finding() {
    let fixture =
        Fixture::new().replace_in("tools/workshop/src/cli.rs", "enum Command", "enum Order");

    fixture.finds("tools/workshop/src:1", "does not check");
}

#[test]
fn session_missing_in_list_is_found() {
    let fixture = Fixture::new().with("book/src/sessions/two.txt", "$ x\n");

    fixture.finds(
        "book/src/sessions/two.txt:1",
        "book/sessions.toml does not list this session",
    );
}

#[test]
fn session_without_file_is_found() {
    let two = "[[session]]\nfile = \"one.txt\"\ncommand = \"x\"\n[[session]]\nfile = \"two.txt\"\ncommand = \"x\"\n";

    Fixture::new()
        .with("book/sessions.toml", two)
        .finds("book/sessions.toml:5", "the session `two.txt` has no file");
}

#[test]
fn a_dead_name_among_the_exercises_is_found() {
    for folder in ["exercises", "solutions"] {
        let file = format!("{folder}/01_clones/01_one/HINTS.md");
        let fixture = Fixture::new().with(
            &file,
            "# Hints\n\nSee `chapters/gone` and run `cargo test -p gone`.\n",
        );

        let report = fixture.report();
        assert!(
            report.contains(&format!("{file}:3: `chapters/gone` does not exist")),
            "{report}"
        );
        assert!(
            report.contains(&format!("{file}:3: there is no package `gone`")),
            "{report}"
        );
    }
}

#[test]
fn findings_come_sorted_and_counted() {
    let page_with_mistakes = INTRODUCTION
        .replace("```sh", "```")
        .replace("(#below)", "(#up)");
    let fixture = Fixture::new()
        .with(INTRO, &page_with_mistakes)
        .replace_in(PAGE, "```text", "```");

    let report = fixture.report();
    let places: Vec<&str> = report
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            &format!("{PAGE}:9"),
            &format!("{INTRO}:3"),
            &format!("{INTRO}:11"),
            "3 findings"
        ],
        "{report}"
    );
}
