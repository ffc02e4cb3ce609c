//! The verbs: each connects the stages for one job.
