//! Pictures for people: colour maps, labelled panels, charts.
