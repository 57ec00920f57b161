//! The declarations: `lws_struct!` for a struct with its map, `lws_schemas!` for a choice between some.

/// Declares a struct that JSON is read to and written from (C: `lws_struct_map_t` and its macros); see
/// [`structs`](crate::structs). Implements `Default`, [`Member`](crate::structs::Member) and
/// [`TopLevel`](crate::structs::TopLevel). No generics.
#[macro_export]
macro_rules! lws_struct {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $json:literal) => { $json };
    (@schema) => { None };
    (@schema $schema:literal) => { Some($schema) };
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident $(: $schema:literal)? {
            $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty $(= $json:literal)?),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Default)]
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $type,)*
        }

        impl $crate::structs::Member for $name {
            fn view(&self) -> $crate::structs::View<'_> {
                const NAMES: &[&str] = &[$($crate::lws_struct!(@name $field $($json)?)),*];
                $crate::structs::View::Object(NAMES)
            }

            fn child(&self, n: usize) -> Option<&dyn $crate::structs::Member> {
                $crate::structs::nth([$(&self.$field),*], n)
            }

            fn child_mut(&mut self, n: usize) -> Option<&mut dyn $crate::structs::Member> {
                $crate::structs::nth_mut([$(&mut self.$field),*], n)
            }

            fn take(&mut self, token: $crate::structs::Token<'_>) -> Result<(), $crate::structs::MemberProblem> {
                match token {
                    $crate::structs::Token::Object => {}
                    $crate::structs::Token::Null => *self = Self::default(),
                    _ => return Err($crate::structs::MemberProblem::Type),
                }
                Ok(())
            }
        }

        impl $crate::structs::TopLevel for $name {
            fn without_schema() -> Option<Self> {
                let schema: Option<&str> = $crate::lws_struct!(@schema $($schema)?);
                if schema.is_none() { Some(Self::default()) } else { None }
            }

            fn with_schema(schema: &str) -> Option<Self> {
                let own: Option<&str> = $crate::lws_struct!(@schema $($schema)?);
                if own == Some(schema) { Some(Self::default()) } else { None }
            }

            fn schema(&self) -> Option<&'static str> {
                $crate::lws_struct!(@schema $($schema)?)
            }

            fn members(&self) -> &dyn $crate::structs::Member {
                self
            }

            fn members_mut(&mut self) -> &mut dyn $crate::structs::Member {
                self
            }
        }
    };
}

/// Declares an enum of structs with schemas: the document's schema says which it is (C: an array of maps of
/// the type `LSMT_SCHEMA`).
///
/// ```
/// lws_core::lws_struct! { #[derive(Debug)] pub struct Add: "add" { pub n: u32 } }
/// lws_core::lws_struct! { #[derive(Debug)] pub struct Clear: "clear" {} }
/// lws_core::lws_schemas! { #[derive(Debug)] pub enum Order { Add(Add), Clear(Clear) } }
///
/// let order: Order = lws_core::structs::from_json(br#"{"schema":"add","n":3}"#)?;
/// assert!(matches!(order, Order::Add(Add { n: 3 })));
/// # Ok::<(), lws_core::structs::StructError>(())
/// ```
#[macro_export]
macro_rules! lws_schemas {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident($type:ty)),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis enum $name {
            $($(#[$variant_meta])* $variant($type),)+
        }

        impl $crate::structs::TopLevel for $name {
            fn without_schema() -> Option<Self> {
                None
            }

            fn with_schema(schema: &str) -> Option<Self> {
                $(if let Some(value) = <$type as $crate::structs::TopLevel>::with_schema(schema) {
                    return Some(Self::$variant(value));
                })+
                None
            }

            fn schema(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant(value) => $crate::structs::TopLevel::schema(value),)+
                }
            }

            fn members(&self) -> &dyn $crate::structs::Member {
                match self {
                    $(Self::$variant(value) => value,)+
                }
            }

            fn members_mut(&mut self) -> &mut dyn $crate::structs::Member {
                match self {
                    $(Self::$variant(value) => value,)+
                }
            }
        }
    };
}
