// The counts of some documents out of those of many, without a second look at
// their text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "features/text_count_table.hpp"

// The same table as if these documents alone had been counted, in their order:
// ids are numbered anew.
class Selection : public CountTable {
public:
    // `sorted` has the ids of `all` that are terms in the order of their strings;
    // `wanted` says by id which may be columns.
    Selection(const CountTable& all, const int32_t* documents, size_t n,
              std::shared_ptr<const std::vector<uint32_t>> sorted, const std::vector<bool>& wanted)
        : sorted_(std::move(sorted)), own_(all.n_ids(), kNone) {
        const auto entries = all.documents();
        chunks_.emplace_back();
        for (size_t i = 0; i < n; ++i) {
            auto [begin, end] = entries[documents[i]];
            if (chunks_.back().entries.size() + (end - begin) > UINT32_MAX) chunks_.emplace_back();
            Chunk& chunk = chunks_.back();
            for (; begin != end; ++begin) {
                if (!wanted[begin->id]) continue;
                uint32_t& id = own_[begin->id];
                if (id == kNone) {
                    id = static_cast<uint32_t>(before_.size());
                    before_.push_back(begin->id);
                }
                chunk.entries.push_back({id, begin->count});
            }
            chunk.ends.push_back(static_cast<uint32_t>(chunk.entries.size()));
        }
        n_documents_ = n;
        n_ids_ = before_.size();
        order_.resize(n_ids_);
        std::iota(order_.begin(), order_.end(), 0u);
    }

    // Put the columns in the order of their strings.
    void sort() {
        std::vector<bool> kept = kept_ids();
        put_in_order(*sorted_, [&](uint32_t id) {
            uint32_t own = own_[id];
            return own != kNone && kept[own] ? own : kNone;
        });
    }

    // The ids of all counts that are columns, in the order of their first sight
    // here, and their columns.
    std::pair<std::vector<int32_t>, std::vector<int32_t>> columns() const {
        std::vector<uint32_t> column = column_by_id();
        std::pair<std::vector<int32_t>, std::vector<int32_t>> result;
        for (uint32_t id = 0; id < n_ids_; ++id) {
            if (column[id] == kNone) continue;
            result.first.push_back(static_cast<int32_t>(before_[id]));
            result.second.push_back(static_cast<int32_t>(column[id]));
        }
        return result;
    }

private:
    std::shared_ptr<const std::vector<uint32_t>> sorted_;
    std::vector<uint32_t> own_, before_;  // ids: here by those of all counts, and the reverse
};
