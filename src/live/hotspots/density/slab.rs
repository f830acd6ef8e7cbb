//! Values under small numbers that are given out again once they are free.

use std::ops::{Index, IndexMut};

/// It would be a logic error to ask by index for a number that is not taken.
#[derive(Debug)]
pub(super) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub fn new() -> Slab<T> {
        Slab { slots: Vec::new(), free: Vec::new() }
    }

    /// The number that the next [`Slab::insert`] gives.
    pub fn next(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.slots.len() as u32)
    }

    pub fn insert(&mut self, value: T) -> u32 {
        let number = self.next();
        match self.free.pop() {
            Some(_) => self.slots[number as usize] = Some(value),
            None => self.slots.push(Some(value)),
        }
        number
    }

    pub fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.slots[number as usize].take();
        if value.is_some() {
            self.free.push(number);
        }
        value
    }

    pub fn get(&self, number: u32) -> Option<&T> {
        self.slots.get(number as usize)?.as_ref()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.slots).filter_map(|(number, value)| Some((number, value.as_ref()?)))
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        self.slots[number as usize].as_ref().expect("only taken numbers are held")
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        self.slots[number as usize].as_mut().expect("only taken numbers are held")
    }
}
