//! What stages have calculated and keep for the rest of the run. The model stores it without
//! knowing it: each stage has a cache type of its own, which only that stage can name.

use std::any::Any;
use std::cell::OnceCell;
use std::fmt::Debug;

/// The caches of all stages.
const STAGES: usize = 3;

/// One cache for each stage that asks for one, empty at first.
#[derive(Debug, Default)]
pub struct Caches([OnceCell<Box<dyn Any + Send>>; STAGES]);

impl Caches {
    /// The cache of that type.
    pub fn get<T: Any + Send + Default>(&self) -> &T {
        let mut places = self.0.iter();
        places
            .find_map(|place| {
                let cache = place.get_or_init(|| Box::<T>::default());
                cache.downcast_ref()
            })
            .expect("invariant: there is a place for each stage")
    }

    /// The cache of that type, to change it.
    pub fn get_mut<T: Any + Send + Default>(&mut self) -> &mut T {
        self.get::<T>();
        let mut places = self.0.iter_mut();
        places
            .find_map(|place| place.get_mut()?.downcast_mut())
            .expect("invariant: it is there since the line above")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_a_cache_of_its_own() {
        let mut caches = Caches::default();
        *caches.get_mut::<u32>() = 1;
        *caches.get_mut::<u64>() = 2;
        assert_eq!((*caches.get::<u32>(), *caches.get::<u64>()), (1, 2));
        assert_eq!(*caches.get::<String>(), "");
    }
}
