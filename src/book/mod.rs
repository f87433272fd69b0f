//! TOML files become runbooks: parsing with places, the library of runbooks, inputs, lint, schema.
