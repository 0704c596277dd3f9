// Features get their numbers from a table that knows them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "features/names.hpp"

// Numbers distinct names in the order of their first appearance, by open addressing. Names are compared, not hashes
// only.
class FeatureTable {
public:
    FeatureTable() : slots_(256) {}

    // Makes a table of names that are distinct.
    explicit FeatureTable(const Names& names) : FeatureTable() {
        std::vector<int32_t> numbers(names.size());
        add(names, numbers.data());
    }

    size_t size() const { return names_.size(); }
    std::string_view operator[](size_t i) const { return names_[i]; }

    // Finds the numbers of names, -1 for those that are not here. Threads may share a table, each with memory for
    // hashes of its own.
    void find(const Names& names, int32_t* numbers, std::vector<uint64_t>& hashes) const {
        call(names, hashes);
        for (size_t i = 0; i < names.size(); ++i) numbers[i] = slots_[probe(names, i, hashes[i])].number;
    }

    // Finds the numbers of names, and gives new ones where need be.
    void add(const Names& names, int32_t* numbers) {
        call(names, hashes_);
        for (size_t i = 0; i < names.size(); ++i) {
            Slot& slot = slots_[probe(names, i, hashes_[i])];
            numbers[i] = slot.number;
            if (slot.number >= 0) continue;
            if (size() == INT32_MAX) throw std::length_error("more than 2**31 - 1 features");
            numbers[i] = static_cast<int32_t>(size());
            slot = {tag(hashes_[i]), numbers[i]};
            names_.add(names[i]);
            if (2 * size() > slots_.size()) grow();
        }
    }

private:
    struct Slot {
        uint32_t tag = 0;
        int32_t number = -1;
    };
    Names names_;
    std::vector<Slot> slots_;
    std::vector<uint64_t> hashes_;

    static uint32_t tag(uint64_t h) { return static_cast<uint32_t>(h >> 32); }

    static uint64_t hash(const uint64_t* words, size_t length) {
        constexpr uint64_t odd = 0x9E3779B97F4A7C15;
        uint64_t h = length * odd;
        for (size_t k = 0; k * sizeof(uint64_t) < length; ++k) {
            h = (h ^ words[k]) * odd;
            h ^= h >> 32;
        }
        h *= odd;
        return h ^ (h >> 29);
    }

    // Hashes names and calls their slots into the cache, so that the probes after it do not wait one by one.
    void call(const Names& names, std::vector<uint64_t>& hashes) const {
        if (hashes.size() < names.size()) hashes.resize(2 * names.size());
        size_t mask = slots_.size() - 1;
        for (size_t i = 0; i < names.size(); ++i) {
            hashes[i] = hash(names.words(i), names.length(i));
            __builtin_prefetch(&slots_[hashes[i] & mask]);
        }
    }

    // Returns the slot that holds a name, or the empty one where it would be put.
    size_t probe(const Names& names, size_t name, uint64_t h) const {
        size_t mask = slots_.size() - 1, i = h & mask;
        for (; slots_[i].number >= 0; i = (i + 1) & mask)
            if (slots_[i].tag == tag(h) && names_.equal(slots_[i].number, names.words(name), names.length(name))) break;
        return i;
    }

    void grow() {
        std::vector<Slot> slots(2 * slots_.size());
        size_t mask = slots.size() - 1;
        for (size_t number = 0; number < size(); ++number) {
            uint64_t h = hash(names_.words(number), names_.length(number));
            size_t i = h & mask;
            while (slots[i].number >= 0) i = (i + 1) & mask;
            slots[i] = {tag(h), static_cast<int32_t>(number)};
        }
        slots_ = std::move(slots);
    }
};
