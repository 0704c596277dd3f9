// Random orders.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

// Fisher-Yates with splitmix64 (Steele et al. 2014): the same order on every platform.
inline void shuffle(int64_t* values, size_t n, uint64_t seed) {
    for (size_t i = n; i > 1; --i) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15ull);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        z ^= z >> 31;
        std::swap(values[i - 1], values[static_cast<size_t>((static_cast<unsigned __int128>(z) * i) >> 64)]);
    }
}
