//! JSON to structs and back (C: lws_struct): one declaration makes a struct and its map, [`StructParser`]
//! fills it from input that is cut anywhere, [`StructWriter`] writes it in pieces of any size.
//!
//! ```
//! use lws_core::structs::{CharArray, from_json, to_json};
//!
//! lws_core::lws_struct! {
//!     /// One of the things to build.
//!     #[derive(Debug, PartialEq)]
//!     pub struct Target {
//!         pub name: String,
//!         pub optional: bool = "maybe", // its name in JSON, if it is another
//!     }
//! }
//! lws_core::lws_struct! {
//!     /// Who builds.
//!     #[derive(Debug, PartialEq)]
//!     pub struct Builder: "com-example-builder" { // its schema, if it has one
//!         pub hostname: CharArray<32>,
//!         pub targets: Vec<Target>,
//!     }
//! }
//! let json = r#"{"schema":"com-example-builder","hostname":"a","targets":[{"name":"b","maybe":true}]}"#;
//! let builder: Builder = from_json(json.as_bytes())?;
//! assert_eq!((builder.hostname.as_str(), builder.targets[0].optional), ("a", true));
//! assert_eq!(to_json(&builder), json);
//! # Ok::<(), lws_core::structs::StructError>(())
//! ```
//!
//! A member may be an integer, `f64`, `bool`, `String`, [`CharArray`], another such struct, `Vec` (C: LIST) or
//! `Option` (C: CHILD_PTR) of any of these, `Box` to break cycles; others implement [`Member`]. Members that
//! are missing have their default; unknown ones are skipped; `null` is the default. Written are members in the
//! order of the declaration, without absent ones and empty lists. With [`lws_schemas!`](crate::lws_schemas) a document's
//! schema decides which struct it is. Where a document is in memory as a whole anyway, serde does as well.
//!
//! `member` is what members are, `parse` and `write` the two directions, over [`lejp`](crate::lejp).

mod macros;
mod member;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub use member::{CharArray, Member, MemberProblem, Token, View, nth, nth_mut};
pub use parse::{StructError, StructLimits, StructParser, StructProblem, from_json};
pub use write::{StructWriter, to_json};

/// What can be a document; the macros implement it.
pub trait TopLevel: Sized {
    /// A default value if documents have no schema.
    fn without_schema() -> Option<Self>;

    /// A default value of what has this schema.
    fn with_schema(schema: &str) -> Option<Self>;

    /// The value's schema (C: `lws_struct_schema_only_lejp_cb` finds it).
    fn schema(&self) -> Option<&'static str>;

    /// The document's members.
    fn members(&self) -> &dyn Member;

    /// The document's members, to be filled.
    fn members_mut(&mut self) -> &mut dyn Member;
}
