// A hash table of distinct strings, exact, with the place of the last count of
// each beside it.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prefetch.hpp"
#include "features/text_spans.hpp"

static_assert(std::endian::native == std::endian::little, "keys are strings read as little-endian numbers");

constexpr uint32_t kNone = UINT32_MAX;
constexpr size_t kBlock = 512;  // strings whose slots are called from memory together

inline uint64_t mixed(uint64_t a, uint64_t b) {
    unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

constexpr uint64_t kMix[] = {0xA0761D6478BD642Full, 0xE7037ED1A0B428DBull, 0x8EBC6AF09C88C6E3ull};

inline uint64_t read8(const uint8_t* p) {
    uint64_t x;
    std::memcpy(&x, p, sizeof x);
    return x;
}

// Of a string after which kSlack bytes can be read.
inline uint64_t string_hash(const uint8_t* p, size_t n) {
    uint64_t h = n * kMix[2];
    for (; n > 8; p += 8, n -= 8) h = mixed(h ^ read8(p), kMix[0]);
    return mixed(h ^ (n ? read8(p) & (~uint64_t(0) >> (64 - 8 * n)) : 0), kMix[1]);
}

// A string of up to 7 bytes itself, or 63 bits of the hash of a longer one.
struct ShortKey {
    uint64_t word = 0;

    ShortKey() = default;
    ShortKey(const uint8_t* p, size_t n)
        : word(n == 0   ? 0
               : n <= 7 ? (read8(p) & (~uint64_t(0) >> (64 - 8 * n))) | static_cast<uint64_t>(n) << 56
                        : string_hash(p, n) >> 1 | uint64_t(1) << 63) {}
    bool whole() const { return !(word >> 63); }
    uint64_t hash() const { return whole() ? mixed(word ^ kMix[0], kMix[1]) : word << 1; }
    bool operator==(const ShortKey&) const = default;
};

// A string of up to 15 bytes itself, or the length and the hash of a longer
// one.
struct LongKey {
    uint64_t low = 0, high = 0;

    LongKey() = default;
    LongKey(const uint8_t* p, size_t n) {
        if (n > 15) {
            low = string_hash(p, n);
            high = static_cast<uint64_t>(n) | uint64_t(1) << 63;
        } else if (n > 0) {
            low = read8(p) & (n < 8 ? ~uint64_t(0) >> (64 - 8 * n) : ~uint64_t(0));
            high = (n > 8 ? read8(p + 8) & (~uint64_t(0) >> (128 - 8 * n)) : 0) | static_cast<uint64_t>(n) << 56;
        }
    }
    bool whole() const { return !(high >> 63); }
    uint64_t hash() const { return whole() ? mixed(low ^ kMix[0], high ^ kMix[2]) : low; }
    bool operator==(const LongKey&) const = default;
};

// A pair of numbers.
struct PairKey {
    uint64_t pair = 0;

    PairKey() = default;
    PairKey(uint32_t first, uint32_t second) : pair(static_cast<uint64_t>(first) << 32 | second) {}
    bool whole() const { return true; }
    uint64_t hash() const { return mixed(pair ^ kMix[0], kMix[1]); }
    bool operator==(const PairKey&) const = default;
};

// Open addressing over keys; who uses it gives each key a number.
template <class Key>
class SlotTable {
public:
    struct Slot {
        Key key;
        uint32_t id = kNone;
        uint32_t last = 0;  // the place of the last count of this id, after it
    };

    SlotTable() : slots_(1024), mask_(1023) {}

    size_t size() const { return size_; }

    // Make room for n more, so that slots stay where they are meanwhile.
    void reserve(size_t n) {
        size_t slots = slots_.size();
        while (2 * (size_ + n) > slots) slots *= 2;
        if (slots == slots_.size()) return;
        std::vector<Slot> grown(slots);
        for (const Slot& slot : slots_) {
            if (slot.id == kNone) continue;
            size_t i = slot.key.hash() & (slots - 1);
            while (grown[i].id != kNone) i = (i + 1) & (slots - 1);
            grown[i] = slot;
        }
        slots_.swap(grown);
        mask_ = slots - 1;
    }

    void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_], 1); }

    // The slot of a key, or the empty one where it would be. `same(id)`: whether
    // a key that is no whole string is it.
    template <class Same>
    [[gnu::always_inline]] Slot& at(const Key& key, uint64_t hash, Same same) {
        return slots_[find(key, hash, same)];
    }
    template <class Same>
    [[gnu::always_inline]] const Slot& at(const Key& key, uint64_t hash, Same same) const {
        return slots_[find(key, hash, same)];
    }

    void take(Slot& slot, const Key& key, uint32_t id) {
        slot = {key, id, 0};
        ++size_;
    }

    // Places of counts begin again.
    void forget_places() {
        for (Slot& slot : slots_) slot.last = 0;
    }

private:
    std::vector<Slot> slots_;
    size_t mask_, size_ = 0;

    template <class Same>
    [[gnu::always_inline]] size_t find(const Key& key, uint64_t hash, Same same) const {
        for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
            const Slot& slot = slots_[i];
            if (slot.id == kNone || (slot.key == key && (key.whole() || same(slot.id)))) return i;
        }
    }
};

// The bytes of numbered strings, one after the other.
class StringPool {
public:
    size_t size() const { return ends_.size() - 1; }
    std::string_view operator[](size_t i) const {
        return {reinterpret_cast<const char*>(bytes_.data()) + ends_[i], static_cast<size_t>(ends_[i + 1] - ends_[i])};
    }
    void add(const uint8_t* p, size_t n) {
        bytes_.insert(bytes_.end(), p, p + n);
        ends_.push_back(bytes_.size());
    }
    bool equal(size_t i, const uint8_t* p, size_t n) const {
        return ends_[i + 1] - ends_[i] == n && std::memcmp(bytes_.data() + ends_[i], p, n) == 0;
    }

private:
    std::vector<uint8_t> bytes_;
    std::vector<uint64_t> ends_ = {0};
};

// Keys and hashes of a block of strings or pairs, of which the slots are on
// their way.
template <class Key>
struct KeyBlock {
    Key keys[kBlock];
    uint64_t hashes[kBlock];

    template <class KeyOf>
    void call(const SlotTable<Key>& table, size_t n, KeyOf key_of) {
        for (size_t i = 0; i < n; ++i) {
            keys[i] = key_of(i);
            hashes[i] = keys[i].hash();
            table.prefetch(hashes[i]);
        }
    }
};
