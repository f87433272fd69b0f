//! Events become what people and machines read: one file a format.
