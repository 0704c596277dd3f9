// Cache lines are called here before their use, where no hardware foresees it.
#pragma once
#include <algorithm>
#include <cstddef>

constexpr size_t kAhead = 16;     // non-zeros or rows between the call of a cache line and its use
constexpr size_t kRowsAhead = 8;  // rows of a shuffled batch likewise: no hardware foresees where the next one lies

template <int B, class T>
inline void prefetch_row(T* row) {
    __builtin_prefetch(row, 1);
    __builtin_prefetch(row + B - 1, 1);
}

template <class A>
inline void prefetch_all(const A* values, size_t n) {
    for (size_t i = 0; i < n; i += 64 / sizeof(A)) __builtin_prefetch(values + i);
}

// Calls the first lines of a row. The hardware brings the rest of a long one.
template <class A>
inline void prefetch_line_ends(const A* values, size_t n) {
    __builtin_prefetch(values);
    __builtin_prefetch(values + std::min(n - 1, 64 / sizeof(A)));
}
