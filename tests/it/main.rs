//! The tests that look at Pantau from outside: one binary.

mod hotspot_oracle;
