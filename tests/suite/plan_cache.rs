//! A plan is a guess until the instructions say so: one that is wrong or torn is not used.
