//! Settings that roles attach to a vhost, each of the role's own type, so that this crate needn't
//! know what a mount or a message limit is. Filled while the vhost is configured, read-only after.

use std::any::{Any, TypeId};
use std::rc::Rc;

/// One value per type.
#[derive(Default)]
pub struct Settings {
    /// The types stand beside them, as each is looked up many times a request.
    values: Vec<(TypeId, Rc<dyn Any>)>,
}

impl Settings {
    /// The value of type `T`, if one was set.
    pub fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let (_, value) = self.values.iter().find(|(of, _)| *of == TypeId::of::<T>())?;
        Rc::clone(value).downcast().ok()
    }

    /// The value of type `T`, made by default when there is none. A value that was handed out by
    /// [`get`](Self::get) is copied first, so that nobody's view changes.
    pub fn get_or_default<T: Default + Clone + 'static>(&mut self) -> &mut T {
        let at = self.values.iter().position(|(of, _)| *of == TypeId::of::<T>()).unwrap_or_else(|| {
            self.values.push((TypeId::of::<T>(), Rc::new(T::default())));
            self.values.len() - 1
        });
        let (_, value) = &mut self.values[at];
        if Rc::get_mut(value).is_none() {
            let copy = value.downcast_ref::<T>().cloned().unwrap_or_default();
            *value = Rc::new(copy);
        }
        match Rc::get_mut(value).and_then(|v| v.downcast_mut()) {
            Some(value) => value,
            None => unreachable!("just made unique and of this type"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_one_value() {
        let mut s = Settings::default();
        assert!(s.get::<u32>().is_none());
        *s.get_or_default::<u32>() = 7;
        s.get_or_default::<String>().push('x');
        assert_eq!(s.get::<u32>().as_deref(), Some(&7));
        let held = s.get::<u32>();
        *s.get_or_default::<u32>() += 1;
        assert_eq!((held.as_deref(), s.get::<u32>().as_deref()), (Some(&7), Some(&8)));
    }
}
