//! Tests of the rules for links, in the book and in other Markdown files.

use super::Fixture;

const INTRO: &str = "book/src/introduction.md";
const PAGE: &str = "book/src/clones/index.md";

#[test]
fn a_link_to_a_missing_page_is_found() {
    let fixture = Fixture::new().replace_in(INTRO, "clones/index.md#a-killed-clone", "clones.md");

    fixture.finds(
        "book/src/introduction.md:3",
        "`clones.html` (a href) is a dead link",
    );
}

#[test]
fn two_equal_dead_links_have_two_lines() {
    let report = Fixture::new()
        .replace_in(
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
fn link_with_wrong_case_is_found() {
    let fixture = Fixture::new().replace_in(INTRO, "clones/index.md#", "Clones/index.md#");

    fixture.finds(
        "book/src/introduction.md:3",
        "did you mean `clones/index.html`?",
    );
}

#[test]
fn a_link_in_html_is_followed_too() {
    let fixture = Fixture::new().replace_in(
        INTRO,
        "## Below",
        "<details>\n\n<a href=\"gone.txt\">x</a>\n\n</details>\n\n## Below",
    );

    fixture.finds(
        "book/src/introduction.md:9",
        "`gone.txt` (a href) is a dead link",
    );
}

#[test]
fn a_link_out_of_the_book_is_found() {
    let fixture =
        Fixture::new().replace_in(INTRO, "clones/index.md#a-killed-clone", "../../README.md");

    fixture.finds(
        "book/src/introduction.md:3",
        "leads to a file outside the book",
    );
}

#[test]
fn link_from_the_site_root_is_found() {
    let fixture = Fixture::new().replace_in(
        INTRO,
        "clones/index.md#a-killed-clone",
        "/clones/index.html",
    );

    fixture.finds("book/src/introduction.md:3", "starts at the site's root");
}

#[test]
fn link_to_a_local_file_is_found() {
    let fixture =
        Fixture::new().replace_in(INTRO, "clones/index.md#a-killed-clone", "file:///tmp/x");

    fixture.finds("book/src/introduction.md:3", "is a link to a local file");
}

#[test]
fn missing_heading_of_other_page_is_found() {
    let fixture = Fixture::new().replace_in(PAGE, "## A killed clone", "## A clone is killed");

    fixture.finds(
        "book/src/introduction.md:3",
        "`clones/index.html` has no `#a-killed-clone`",
    );
}

#[test]
fn missing_heading_of_same_page_is_found() {
    let fixture = Fixture::new().replace_in(INTRO, "(#below)", "(#belwo)");

    fixture.finds(
        "book/src/introduction.md:3",
        "has no `#belwo`; did you mean `below`?",
    );
}

#[test]
fn link_with_encoded_accent_is_accepted() {
    let fixture = Fixture::new()
        .replace_in(INTRO, "(#below)", "(#%C3%BCber-uns)")
        .replace_in(INTRO, "## Below", "## Über uns");

    assert_eq!(fixture.report(), "4 pages, no finding");
}

#[test]
fn a_dead_link_in_the_readme_is_found() {
    let fixture = Fixture::new().replace_in("README.md", "book/src/SUMMARY.md", "book/src/gone.md");

    fixture.finds("README.md:3", "`book/src/gone.md` is a dead link");
}

#[test]
fn a_dead_heading_in_the_readme_is_found() {
    let fixture = Fixture::new().replace_in("exercises/README.md", "## Rules", "## Ruled");

    fixture.finds("README.md:3", "`exercises/README.md` has no `#rules`");
}
