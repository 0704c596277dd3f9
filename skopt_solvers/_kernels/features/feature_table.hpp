// Features get their numbers from a table that knows them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "features/names.hpp"
#include "features/string_table.hpp"

// Numbers distinct names in the order of their first appearance.
class FeatureTable {
public:
    FeatureTable() = default;

    // Makes a table of names that are distinct.
    explicit FeatureTable(const Names& names) {
        std::vector<int32_t> numbers(names.size());
        add(names, numbers.data());
    }

    size_t size() const { return names_.size(); }
    std::string_view operator[](size_t i) const { return names_[i]; }

    // Finds the numbers of names, -1 for those that are not here. Threads may share a table.
    void find(const Names& names, int32_t* numbers) const {
        KeyBlock<ShortKey> block;
        for (size_t first = 0; first < names.size(); first += kBlock) {
            size_t n = call(names, first, block);
            for (size_t k = 0; k < n; ++k) {
                uint32_t id = slots_.at(block.keys[k], block.hashes[k], Same{names_, names, first + k}).id;
                numbers[first + k] = id == kNone ? -1 : static_cast<int32_t>(id);
            }
        }
    }

    // Finds the numbers of names, and gives new ones where need be.
    void add(const Names& names, int32_t* numbers) {
        KeyBlock<ShortKey> block;
        for (size_t first = 0; first < names.size(); first += kBlock) {
            slots_.reserve(std::min(kBlock, names.size() - first));
            size_t n = call(names, first, block);
            for (size_t k = 0; k < n; ++k) {
                auto& slot = slots_.at(block.keys[k], block.hashes[k], Same{names_, names, first + k});
                if (slot.id == kNone) {
                    if (size() == INT32_MAX) throw std::length_error("more than 2**31 - 1 features");
                    names_.add(names[first + k]);  // first, since it may fail
                    slots_.take(slot, block.keys[k], static_cast<uint32_t>(size() - 1));
                }
                numbers[first + k] = static_cast<int32_t>(slot.id);
            }
        }
    }

private:
    // Tells whether a known name is the one that is looked for.
    struct Same {
        const Names &known, &names;
        size_t i;
        bool operator()(uint32_t id) const { return known.equal(id, names.words(i), names.length(i)); }
    };
    Names names_;
    SlotTable<ShortKey> slots_;

    // Makes the keys of some names from `first` on, and calls their slots into the cache; returns how many.
    size_t call(const Names& names, size_t first, KeyBlock<ShortKey>& block) const {
        size_t n = std::min(kBlock, names.size() - first);
        block.call(slots_, n, [&](size_t k) {
            return ShortKey(reinterpret_cast<const uint8_t*>(names.words(first + k)), names.length(first + k));
        });
        return n;
    }
};
