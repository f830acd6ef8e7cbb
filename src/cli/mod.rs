//! The commands that bring reports in from outside a running server: [`import`], [`replay`], [`drill`].
//!
//! Thin shells: files, sockets, clocks and progress bars are here, the rules are in `intake`.

mod rows;
