"""The ground floor: CSR input, threads, rollback, and what objects with parameters and pickles have in common."""
