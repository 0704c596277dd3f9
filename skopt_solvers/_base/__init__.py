"""The ground floor: CSR input, threads, rollback, and the common parts of objects with parameters and pickles."""
