//! One test for each way in which a book rots.

use super::{CLONES, Fixture, INTRODUCTION, SVG};

const INTRO: &str = "book/src/introduction.md";
const PAGE: &str = "book/src/clones/index.md";
const CODE: &str = "chapters/01-clones/src/lib.rs";

#[test]
fn an_include_of_a_missing_file_is_found() {
    let fixture = Fixture::new().rot(PAGE, "lib.rs:turn", "gone.rs:turn");

    fixture.finds(
        "book/src/clones/index.md:4",
        "`../../../chapters/01-clones/src/gone.rs` is included and does not exist",
    );
}

#[test]
fn a_missing_anchor_is_found() {
    let fixture = Fixture::new().rot(PAGE, "lib.rs:turn", "lib.rs:trun");

    fixture.finds(
        "book/src/clones/index.md:4",
        "has no anchor `trun`, so nothing is shown; did you mean `turn`?",
    );
}

#[test]
fn a_missing_anchor_of_a_rustdoc_include_is_found() {
    let fixture = Fixture::new().rot(
        PAGE,
        "{{#include ../../../chapters/01-clones/src/lib.rs:turn",
        "{{#rustdoc_include ../../../chapters/01-clones/src/lib.rs:gone",
    );

    fixture.finds("book/src/clones/index.md:4", "has no anchor `gone`");
}

#[test]
fn an_anchor_that_is_never_closed_is_found() {
    let fixture = Fixture::new().rot(CODE, "// ANCHOR_END: turn\n", "");

    fixture.finds("book/src/clones/index.md:4", "is never closed");
}

#[test]
fn included_lines_that_do_not_exist_are_found() {
    let fixture = Fixture::new().rot(PAGE, "lib.rs:turn", "lib.rs:4:9");

    fixture.finds("book/src/clones/index.md:4", "has 5 lines and no line 9");
}

#[test]
fn an_include_that_works_on_one_machine_only_is_found() {
    let fixture = Fixture::new();
    let path = fixture.path(CODE).display().to_string();

    fixture
        .rot(PAGE, "../../../chapters/01-clones/src/lib.rs:turn", &path)
        .finds("book/src/clones/index.md:4", "is a path of one machine");
}

#[test]
fn an_include_in_an_included_page_is_checked_too() {
    let fixture = Fixture::new()
        .with("book/src/clones/part.md", "{{#include gone.md}}\n")
        .rot(PAGE, "## A killed", "{{#include part.md}}\n\n## A killed");

    fixture.finds(
        "book/src/clones/index.md:7",
        "`gone.md` is included and does not exist",
    );
}

#[test]
fn an_empty_block_is_found() {
    let fixture = Fixture::new().rot(PAGE, "{{#include ../sessions/one.txt}}\n", "");

    fixture.finds(
        "book/src/clones/index.md:9",
        "this code block shows nothing",
    );
}

#[test]
fn a_block_that_an_include_leaves_empty_is_found() {
    let fixture = Fixture::new().rot(CODE, "fn turn() {}\n", "");

    fixture.finds(
        "book/src/clones/index.md:3",
        "this code block shows nothing",
    );
}

#[test]
fn a_helper_that_mdbook_does_not_know_is_found() {
    let fixture = Fixture::new().rot(PAGE, "{{#include ../sessions", "{{#inlcude ../sessions");

    fixture.finds(
        "book/src/clones/index.md:10",
        "mdBook does not know `{{#inlcude ../sessions/one.txt}}`",
    );
}

#[test]
fn a_link_to_a_missing_page_is_found() {
    let fixture = Fixture::new().rot(INTRO, "clones/index.md#a-killed-clone", "clones.md");

    fixture.finds(
        "book/src/introduction.md:3",
        "`clones.html` (a href) leads to nothing",
    );
}

#[test]
fn each_of_two_dead_links_to_one_place_is_found_in_its_line() {
    let report = Fixture::new()
        .rot(
            INTRO,
            "## Below",
            "[a](gone.md)\n\n## Below\n\n[b](gone.md)",
        )
        .report();

    assert!(
        report.contains("introduction.md:7: ") && report.contains("introduction.md:11: "),
        "{report}"
    );
}

#[test]
fn a_link_in_other_letters_is_found_on_every_system() {
    let fixture = Fixture::new().rot(INTRO, "clones/index.md#", "Clones/index.md#");

    fixture.finds(
        "book/src/introduction.md:3",
        "did you mean `clones/index.html`?",
    );
}

#[test]
fn a_link_in_html_is_followed_too() {
    let fixture = Fixture::new().rot(
        INTRO,
        "## Below",
        "<details>\n\n<a href=\"gone.txt\">x</a>\n\n</details>\n\n## Below",
    );

    fixture.finds(
        "book/src/introduction.md:9",
        "`gone.txt` (a href) leads to nothing",
    );
}

#[test]
fn a_link_out_of_the_book_is_found() {
    let fixture = Fixture::new().rot(INTRO, "clones/index.md#a-killed-clone", "../../README.md");

    fixture.finds("book/src/introduction.md:3", "leads out of the book");
}

#[test]
fn a_link_from_the_root_of_the_site_is_found() {
    let fixture = Fixture::new().rot(
        INTRO,
        "clones/index.md#a-killed-clone",
        "/clones/index.html",
    );

    fixture.finds("book/src/introduction.md:3", "begins at the site's root");
}

#[test]
fn a_link_into_one_machine_is_found() {
    let fixture = Fixture::new().rot(INTRO, "clones/index.md#a-killed-clone", "file:///tmp/x");

    fixture.finds("book/src/introduction.md:3", "leads into one machine");
}

#[test]
fn a_link_to_a_heading_of_another_page_that_is_gone_is_found() {
    let fixture = Fixture::new().rot(PAGE, "## A killed clone", "## A clone is killed");

    fixture.finds(
        "book/src/introduction.md:3",
        "`clones/index.html` has no `#a-killed-clone`",
    );
}

#[test]
fn a_link_to_a_heading_of_the_same_page_that_is_gone_is_found() {
    let fixture = Fixture::new().rot(INTRO, "(#below)", "(#belwo)");

    fixture.finds(
        "book/src/introduction.md:3",
        "has no `#belwo`; did you mean `below`?",
    );
}

#[test]
fn a_link_to_a_heading_with_an_encoded_accent_is_followed() {
    let fixture = Fixture::new()
        .rot(INTRO, "(#below)", "(#%C3%BCber-uns)")
        .rot(INTRO, "## Below", "## Über uns");

    assert_eq!(fixture.report(), "4 pages, no finding");
}

#[test]
fn a_missing_image_is_found() {
    let fixture = Fixture::new().rot(INTRO, "images/one.svg", "images/two.svg");

    fixture.finds(
        "book/src/introduction.md:5",
        "`images/two.svg` (img src) leads to nothing",
    );
}

#[test]
fn an_image_without_words_is_found() {
    let fixture = Fixture::new().rot(INTRO, "![A balancer and two clones]", "![]");

    fixture.finds(
        "book/src/introduction.md:5",
        "image `images/one.svg` has no alt text",
    );
}

#[test]
fn a_drawing_that_lacks_something_is_found() {
    for (gone, lacks) in [
        ("<title>t</title>", "no <title>"),
        ("<desc>d</desc>", "no <desc>"),
        (
            "<rect width=\"9\" height=\"9\" fill=\"#fff\"/>",
            "no background of its own",
        ),
    ] {
        let fixture = Fixture::new().with("book/src/images/one.svg", &SVG.replace(gone, ""));

        fixture.finds("book/src/images/one.svg:1", lacks);
    }
}

#[test]
fn a_page_that_the_summary_does_not_name_is_found() {
    let fixture = Fixture::new().with("book/src/clones/orphan.md", "# Orphan\n");

    fixture.finds(
        "book/src/clones/orphan.md:1",
        "SUMMARY.md does not name this page",
    );
}

#[test]
fn a_page_that_another_page_includes_is_no_orphan() {
    let fixture = Fixture::new()
        .with("book/src/clones/part.md", "A part.\n")
        .rot(PAGE, "## A killed", "{{#include part.md}}\n\n## A killed");

    assert_eq!(fixture.report(), "4 pages, no finding");
}

#[test]
fn an_entry_of_the_summary_without_its_page_is_found() {
    let fixture = Fixture::new().rot(
        "book/src/SUMMARY.md",
        "- [Clones]",
        "- [Gone](gone.md)\n- [Clones]",
    );

    fixture.finds("book/src/SUMMARY.md:5", "the page `gone.md` does not exist");
}

#[test]
fn a_draft_in_the_summary_is_found() {
    let fixture = Fixture::new().rot(
        "book/src/SUMMARY.md",
        "- [Clones]",
        "- [Later]()\n- [Clones]",
    );

    fixture.finds("book/src/SUMMARY.md:5", "\"Later\" is a draft");
}

#[test]
fn a_block_without_a_language_is_found() {
    let fixture = Fixture::new().rot(PAGE, "```text", "```");

    fixture.finds("book/src/clones/index.md:9", "names no language");
}

#[test]
fn a_block_that_is_only_indented_is_found() {
    let fixture = Fixture::new().with(PAGE, &format!("{CLONES}\n    cargo run\n"));

    fixture.finds("book/src/clones/index.md:13", "only indented");
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    let fixture = Fixture::new().rot(INTRO, "src/lib.rs:3", "src/gone.rs:3");

    fixture.finds(
        "book/src/introduction.md:9",
        "`chapters/01-clones/src/gone.rs` does not exist",
    );
}

#[test]
fn a_path_in_a_command_that_does_not_exist_is_found() {
    let fixture = Fixture::new().rot(
        INTRO,
        "cargo workshop doctor",
        "diff -r exercises/ solutions/",
    );

    fixture.finds("book/src/introduction.md:13", "`solutions/` does not exist");
}

#[test]
fn a_test_that_is_gone_is_found() {
    let fixture = Fixture::new().rot(
        CODE,
        "a_killed_clone_loses_no_session",
        "no_session_dies_with_its_clone",
    );

    fixture.finds(
        "book/src/introduction.md:9",
        "no function is called `a_killed_clone_loses_no_session`",
    );
}

#[test]
fn a_package_that_does_not_exist_is_found() {
    let fixture = Fixture::new().rot(INTRO, "-p ch01-clones ", "-p ch01-clone ");

    fixture.finds(
        "book/src/introduction.md:12",
        "there is no package `ch01-clone`; did you mean `ch01-clones`?",
    );
}

#[test]
fn a_command_of_the_workshop_that_does_not_exist_is_found() {
    let fixture = Fixture::new().rot(INTRO, "cargo workshop doctor", "cargo workshop nurse");

    fixture.finds(
        "book/src/introduction.md:13",
        "there is no `cargo workshop nurse`",
    );
}

#[test]
fn a_list_of_commands_that_cannot_be_found_is_told() {
    let fixture = Fixture::new().rot("tools/workshop/src/cli.rs", "enum Command", "enum Order");

    fixture.finds("tools/workshop/src:1", "is not checked");
}

#[test]
fn a_session_that_nothing_regenerates_is_found() {
    let fixture = Fixture::new().with("book/src/sessions/two.txt", "$ x\n");

    fixture.finds(
        "book/src/sessions/two.txt:1",
        "nothing regenerates this session",
    );
}

#[test]
fn a_session_that_was_never_made_is_found() {
    let two = "[[session]]\nfile = \"one.txt\"\ncommand = \"x\"\n[[session]]\nfile = \"two.txt\"\ncommand = \"x\"\n";

    Fixture::new()
        .with("book/sessions.toml", two)
        .finds("book/sessions.toml:5", "`two.txt` has not been made");
}

#[test]
fn a_dead_link_in_the_readme_is_found() {
    let fixture = Fixture::new().rot("README.md", "book/src/SUMMARY.md", "book/src/gone.md");

    fixture.finds("README.md:3", "`book/src/gone.md` leads to nothing");
}

#[test]
fn a_dead_heading_in_the_readme_is_found() {
    let fixture = Fixture::new().rot("exercises/README.md", "## Rules", "## Ruled");

    fixture.finds("README.md:3", "`exercises/README.md` has no `#rules`");
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
    let rotten = INTRODUCTION
        .replace("```sh", "```")
        .replace("(#below)", "(#up)");
    let fixture = Fixture::new()
        .with(INTRO, &rotten)
        .rot(PAGE, "```text", "```");

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
