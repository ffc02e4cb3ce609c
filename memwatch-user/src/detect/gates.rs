//! Does the growth have the shape of a leak? One test a question, each with its sentence.
