//! Columns of texts so short that each is whole in its view.

use arrow::array::StringViewArray;
use arrow::buffer::{NullBuffer, ScalarBuffer};

use crate::error::Result;

/// The most bytes of such a text.
pub(crate) const INLINE: usize = 12;

/// The bits of a view in which the bytes of a text of so many stand: behind those of its length.
pub(crate) const VIEW_BYTES: [u128; INLINE + 1] = {
    let (mut bytes, mut len) = ([0; INLINE + 1], 1);
    while len <= INLINE {
        bytes[len] = bytes[len - 1] << 8 | 0xff << 32;
        len += 1;
    }
    bytes
};

/// The column of these views. That all are ASCII is seen of them together: to have arrow check one after the other cost a tenth of
/// grouping ten million rows by texts that are all different.
///
/// # Errors
/// Views that are no texts, or not whole in themselves.
pub(crate) fn short_texts(views: Vec<u128>, nulls: Option<NullBuffer>) -> Result<StringViewArray> {
    let fits = nulls.as_ref().is_none_or(|nulls| nulls.len() == views.len()) && are_ascii(&views);
    let views = ScalarBuffer::from(views);
    if !fits {
        return Ok(StringViewArray::try_new(views, vec![], nulls)?);
    }
    // SAFETY: there are as many nulls as views, and every view is of at most twelve bytes, all of them ASCII and so UTF-8, with
    // zeros behind them: it needs no buffer.
    Ok(unsafe { StringViewArray::new_unchecked(views, vec![], nulls) })
}

/// Whether all views are whole in themselves, ASCII, and zero behind their texts.
fn are_ascii(views: &[u128]) -> bool {
    const ASCII: u128 = 0x7f7f_7f7f_7f7f_7f7f_7f7f_7f7f << 32;
    let (mut wrong, mut longest) = (0, 0);
    for view in views {
        let len = *view as u32 as usize;
        longest = longest.max(len);
        wrong |= (view >> 32 << 32) & !(ASCII & VIEW_BYTES[len.min(INLINE)]);
    }
    wrong == 0 && longest <= INLINE
}

#[cfg(test)]
mod tests {
    use arrow::array::make_view;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The safe twin: arrow's own constructor.
        #[test]
        fn as_with_every_check(
            texts in prop::collection::vec(prop_oneof![8 => "[a-z\0]{0,12}", 1 => "[aé]{0,6}"], 0..20),
            turned in prop::option::weighted(0.3, (any::<prop::sample::Index>(), 0..128u32)),
            some_null in any::<bool>(),
            lacking in prop::bool::weighted(0.1),
        ) {
            let mut views: Vec<u128> = texts.iter().map(|text| make_view(text.as_bytes(), 0, 0)).collect();
            if let Some((at, bit)) = turned
                && !views.is_empty()
            {
                let at = at.index(views.len());
                views[at] ^= 1 << bit;
            }
            let count = views.len().saturating_sub(usize::from(lacking));
            let nulls = some_null.then(|| NullBuffer::from_iter((0..count).map(|i| i % 3 != 1)));
            let want = StringViewArray::try_new(ScalarBuffer::from(views.clone()), vec![], nulls.clone());
            match (short_texts(views, nulls), want) {
                (Ok(got), Ok(want)) => prop_assert_eq!(got, want),
                (got, want) => prop_assert!(got.is_err() && want.is_err()),
            }
        }
    }

    #[test]
    fn most_need_no_other_check() {
        let views = |texts: &[&str]| texts.iter().map(|text| make_view(text.as_bytes(), 0, 0)).collect::<Vec<_>>();
        assert!(are_ascii(&views(&["", "a", "twelve bytes", "\0\u{7f}"])));
        assert!(!are_ascii(&views(&["a", "é"])) && !are_ascii(&views(&["more than twelve bytes"])));
        assert!(!are_ascii(&[1 << 64 | 0x61 << 32 | 1]) && !are_ascii(&[13]));
    }
}
