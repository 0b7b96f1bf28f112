//! The example of the one billion row challenge, against the challenge's own answers.

#[path = "../examples/onebrc.rs"]
mod onebrc;

#[test]
fn the_answers_of_the_challenge() {
    let mut checked = 0;
    for entry in std::fs::read_dir("testdata/onebrc").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            let expected = std::fs::read_to_string(path.with_extension("out")).unwrap();
            assert_eq!(onebrc::summary(&path).unwrap(), expected.trim_end(), "{}", path.display());
            checked += 1;
        }
    }
    assert_eq!(checked, 6);
}
