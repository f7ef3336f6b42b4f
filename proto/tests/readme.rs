//! The example of the README is the one that is compiled, and it does what it says.

#[allow(dead_code, reason = "its main is called here")]
#[path = "../examples/one_mail.rs"]
mod one_mail;

#[test]
fn the_example_of_the_readme_is_the_one_that_is_compiled() {
    let (readme, example) = (
        include_str!("../README.md"),
        include_str!("../examples/one_mail.rs"),
    );
    let (_, block) = readme.split_once("```rust\n").expect("an example");
    let (block, _) = block.split_once("```\n").expect("its end");
    let (_, code) = example.split_once("//!").expect("its doc comment");
    let (_, code) = code.split_once("\n\n").expect("what follows it");
    assert_eq!(block, code);
}

#[test]
fn the_example_runs() {
    one_mail::main();
}
