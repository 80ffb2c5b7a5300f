//! What keeps the other families' code out of a build without the feature `families`.

/// Proof that this build has the families besides RoBERTa.
///
/// The compiler checks their code in every build, but the module that every web page downloads must
/// be free of it: Unigram, WordPiece and Unicode's normalization tables would add 100 kB. So
/// whatever only another family has holds one of these. Without the feature the type has no value,
/// hence no such part can exist, and the compiler leaves out every match arm and every function
/// that could only be reached with one. (It keeps an arm of an `async` function that waits for
/// something, because the function may be resumed there.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherFamilies(proof::Proof);

impl OtherFamilies {
    /// Whether this build has them.
    pub(crate) const BUILT: bool = proof::PROOF.is_some();

    /// The proof, in a build that has them. There is no other way to get one.
    pub(crate) fn built() -> Option<OtherFamilies> {
        proof::PROOF.map(OtherFamilies)
    }
}

#[cfg(feature = "families")]
mod proof {
    pub(super) type Proof = ();
    pub(super) const PROOF: Option<Proof> = Some(());
}

#[cfg(not(feature = "families"))]
mod proof {
    pub(super) type Proof = std::convert::Infallible;
    pub(super) const PROOF: Option<Proof> = None;
}
