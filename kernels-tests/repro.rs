//! The reproduction from its first training to its page.
