// Terms that are strings: n-grams of characters, and what other tokenizers
// give.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "features/string_table.hpp"
#include "features/text_sort.hpp"

// Ids count the distinct terms in the order of their first sight.
class StringTerms {
    struct Same {
        const StringPool& pool;
        const uint8_t* p;
        size_t n;
        bool operator()(uint32_t id) const { return pool.equal(id, p, n); }
    };

public:
    size_t size() const { return pool_.size(); }
    bool is_term(uint32_t) const { return true; }
    void append(uint32_t id, std::string& out) const { out += pool_[id]; }

    // In characters.
    size_t length(uint32_t id) const {
        std::string_view s = pool_[id];
        return std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; });
    }

    // Call hit(slot) for the slot of the term of each span. `poll(n)` is told how
    // much has been done.
    template <class Hit, class Poll>
    void count(const Spans& spans, Hit hit, Poll& poll) {
        each_block(spans, poll, [&](KeyBlock<LongKey>& block, const Span* parts, size_t n) {
            table_.reserve(n);
            call(block, spans, parts, n);
            for (size_t i = 0; i < n; ++i) {
                const uint8_t* p = spans.text.data() + parts[i].begin;
                auto& slot = table_.at(block.keys[i], block.hashes[i], Same{pool_, p, parts[i].length});
                if (slot.id == kNone) add(slot, block.keys[i], p, parts[i].length);
                hit(slot);
            }
        });
    }

    // Call found(id) for each span that is a term.
    template <class Found, class Poll>
    void find(const Spans& spans, Found found, Poll& poll) const {
        each_block(spans, poll, [&](KeyBlock<LongKey>& block, const Span* parts, size_t n) {
            call(block, spans, parts, n);
            for (size_t i = 0; i < n; ++i) {
                const uint8_t* p = spans.text.data() + parts[i].begin;
                uint32_t id = table_.at(block.keys[i], block.hashes[i], Same{pool_, p, parts[i].length}).id;
                if (id != kNone) found(id);
            }
        });
    }

    bool has(const uint8_t* p, size_t n) const {
        LongKey key(p, n);
        return table_.at(key, key.hash(), Same{pool_, p, n}).id != kNone;
    }

    // The id of a term after which kSlack bytes can be read.
    uint32_t intern(const uint8_t* p, size_t n) {
        table_.reserve(1);
        LongKey key(p, n);
        auto& slot = table_.at(key, key.hash(), Same{pool_, p, n});
        if (slot.id == kNone) add(slot, key, p, n);
        return slot.id;
    }

    // Take the terms of others, in their order; the ids that they have here.
    std::vector<uint32_t> merge(const StringTerms& other) {
        std::vector<uint32_t> ids(other.size());
        std::vector<uint8_t> text;
        for (size_t i = 0; i < ids.size(); ++i) {
            std::string_view s = other.pool_[i];
            text.assign(s.begin(), s.end());
            text.resize(s.size() + kSlack);
            ids[i] = intern(text.data(), s.size());
        }
        return ids;
    }

    // Only the terms that are kept, and the ids that these have here; kNone for
    // others.
    std::pair<StringTerms, std::vector<uint32_t>> kept(const std::vector<bool>& keep) const {
        StringTerms rest;
        std::vector<uint32_t> ids(size(), kNone);
        std::vector<uint8_t> text;
        for (size_t i = 0; i < size(); ++i) {
            if (!keep[i]) continue;
            std::string_view s = pool_[i];
            text.assign(s.begin(), s.end());
            text.resize(s.size() + kSlack);
            ids[i] = rest.intern(text.data(), s.size());
        }
        return {std::move(rest), std::move(ids)};
    }

    // All ids in the order of their strings.
    std::vector<uint32_t> sorted() const {
        std::vector<uint32_t> ids(size());
        std::iota(ids.begin(), ids.end(), 0u);
        return sorted_ids(std::move(ids), [&](uint32_t id) { return pool_[id]; });
    }

    void forget_places() { table_.forget_places(); }

private:
    SlotTable<LongKey> table_;
    StringPool pool_;

    void call(KeyBlock<LongKey>& block, const Spans& spans, const Span* parts, size_t n) const {
        block.call(table_, n, [&](size_t i) { return LongKey(spans.text.data() + parts[i].begin, parts[i].length); });
    }

    void add(SlotTable<LongKey>::Slot& slot, const LongKey& key, const uint8_t* p, size_t n) {
        if (size() >= INT32_MAX) throw std::length_error("more than 2**31 - 1 terms");
        table_.take(slot, key, static_cast<uint32_t>(size()));
        pool_.add(p, n);
    }

    template <class Poll, class F>
    static void each_block(const Spans& spans, Poll& poll, F f) {
        KeyBlock<LongKey> block;
        for (size_t begin = 0; begin < spans.parts.size(); begin += kBlock) {
            size_t n = std::min(kBlock, spans.parts.size() - begin);
            f(block, spans.parts.data() + begin, n);
            poll(n);
        }
    }
};
