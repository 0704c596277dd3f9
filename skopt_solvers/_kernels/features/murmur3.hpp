// The hash that gives features their columns.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Computes MurmurHash3_x86_32 with seed 0 (Austin Appleby, public domain), as scikit-learn's FeatureHasher does.
inline uint32_t murmur3(const void* data, size_t n) {
    const auto* p = static_cast<const uint8_t*>(data);
    const auto mixed = [](uint32_t k) { return std::rotl(k * 0xCC9E2D51u, 15) * 0x1B873593u; };
    uint32_t h = 0, k = 0;
    for (size_t i = 0; i + 4 <= n; i += 4, p += 4) {
        std::memcpy(&k, p, 4);
        h = std::rotl(h ^ mixed(k), 13) * 5 + 0xE6546B64u;
    }
    k = 0;
    switch (n % 4) {
        case 3: k ^= static_cast<uint32_t>(p[2]) << 16; [[fallthrough]];
        case 2: k ^= static_cast<uint32_t>(p[1]) << 8; [[fallthrough]];
        case 1: h ^= mixed(k ^ p[0]);
    }
    h ^= static_cast<uint32_t>(n);
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}
