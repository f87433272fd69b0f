//! Requests against real servers on the loopback interface.
