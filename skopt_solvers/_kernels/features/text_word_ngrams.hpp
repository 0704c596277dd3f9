// Terms that are n-grams of words: a word, or a shorter n-gram and the word
// after it, as pairs of numbers.
//
// Such pairs are exact, and in the order of the joined strings, where no word
// has a character up to the space.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "features/string_table.hpp"
#include "features/text_char_ngrams.hpp"
#include "features/text_sort.hpp"

// Ids count words and n-grams in the order of their first sight. Those shorter
// than `range.low` are no terms.
class WordNgrams {
    struct Same {
        const WordNgrams& terms;
        const uint8_t* p;
        size_t n;
        bool operator()(uint32_t id) const { return terms.words_.equal(terms.nodes_[id], p, n); }
    };

public:
    explicit WordNgrams(NgramRange range) : range_(range) {}

    NgramRange range() const { return range_; }
    size_t size() const { return nodes_.size(); }
    bool is_term(uint32_t id) const { return lengths_[id] >= range_.low && lengths_[id] <= range_.high; }

    bool has_range_of(const WordNgrams& o) const { return range_.low == o.range_.low && range_.high == o.range_.high; }
    size_t length(uint32_t id) const { return lengths_[id]; }  // in words

    // The words of an n-gram with a space between them.
    void append(uint32_t id, std::string& out) const {
        std::vector<uint32_t> words;
        for (; lengths_[id] > 1; id = first(id)) words.push_back(last(id));
        out += words_[nodes_[id]];
        for (; !words.empty(); words.pop_back()) out.append(" ").append(words_[nodes_[words.back()]]);
    }

    // Call hit(slot) for the slot of each n-gram of the tokens. `poll(n)` is told
    // how much has been done.
    template <class Hit, class Poll>
    void count(const Spans& spans, Hit hit, Poll& poll) {
        ids_.resize(spans.parts.size());
        each_block(spans.parts.size(), poll, [&](size_t begin, size_t n) {
            word_table_.reserve(n);
            KeyBlock<ShortKey>& block = call_words(spans, begin, n);
            for (size_t i = 0; i < n; ++i) {
                auto& slot = word_slot(block.keys[i], block.hashes[i], spans, begin + i);
                ids_[begin + i] = slot.id;
                if (range_.low == 1) hit(slot);
            }
        });
        if (range_.high == 1) return;
        prefixes_ = ids_;
        for (size_t length = 2; length <= std::min(range_.high, ids_.size()); ++length) {
            each_block(ids_.size() - length + 1, poll, [&](size_t begin, size_t n) {
                pair_table_.reserve(n);
                const uint32_t *prefix = prefixes_.data() + begin, *word = ids_.data() + begin + length - 1;
                pair_block_.call(pair_table_, n, [&](size_t i) { return PairKey(prefix[i], word[i]); });
                for (size_t i = 0; i < n; ++i) {
                    auto& slot = pair_slot(pair_block_.keys[i], pair_block_.hashes[i], length);
                    prefixes_[begin + i] = slot.id;
                    if (length >= range_.low) hit(slot);
                }
            });
        }
    }

    // Memory of a search in a table that other threads search too.
    struct Search {
        std::vector<uint32_t> ids, prefixes;
        KeyBlock<ShortKey> words;
        KeyBlock<PairKey> pairs;
    };

    // Call found(id) for each n-gram of the tokens, of the lengths in `range`,
    // that is known.
    template <class Found, class Poll>
    void find(const Spans& spans, NgramRange range, Found found, Search& search, Poll& poll) const {
        auto& [ids, prefixes, words, pairs] = search;
        ids.resize(spans.parts.size());
        each_block(ids.size(), poll, [&](size_t begin, size_t n) {
            const Span* parts = spans.parts.data() + begin;
            words.call(word_table_, n,
                       [&](size_t i) { return ShortKey(spans.text.data() + parts[i].begin, parts[i].length); });
            for (size_t i = 0; i < n; ++i) {
                const uint8_t* p = spans.text.data() + parts[i].begin;
                uint32_t id = word_table_.at(words.keys[i], words.hashes[i], Same{*this, p, parts[i].length}).id;
                ids[begin + i] = id;
                if (range.low == 1 && id != kNone) found(id);
            }
        });
        if (range.high == 1 || pair_table_.size() == 0) return;
        prefixes = ids;
        for (size_t length = 2; length <= std::min(range.high, ids.size()); ++length) {
            each_block(ids.size() - length + 1, poll, [&](size_t begin, size_t n) {
                uint32_t* prefix = prefixes.data() + begin;
                const uint32_t* word = ids.data() + begin + length - 1;
                pairs.call(pair_table_, n, [&](size_t i) { return PairKey(prefix[i], word[i]); });
                for (size_t i = 0; i < n; ++i) {
                    // kNone is no id, so that a pair with it is found nowhere
                    prefix[i] = pair_table_.at(pairs.keys[i], pairs.hashes[i], [](uint32_t) { return true; }).id;
                    if (length >= range.low && prefix[i] != kNone) found(prefix[i]);
                }
            });
        }
    }

    // The id of an n-gram given as its words, after each of which kSlack bytes
    // can be read.
    uint32_t intern(const Spans& spans) {
        uint32_t id = kNone;
        for (size_t i = 0; i < spans.parts.size(); ++i) {
            uint32_t word = intern_word(spans, i);
            id = i == 0 ? word : intern_pair(id, word, i + 1);
        }
        return id;
    }

    // Take the n-grams of others, in their order; the ids that they have here.
    std::vector<uint32_t> merge(const WordNgrams& other) {
        return merge(other, [](uint32_t) { return true; });
    }

    // Only the terms that are kept and what they begin with, and the ids that
    // these have here; kNone for others.
    std::pair<WordNgrams, std::vector<uint32_t>> kept(const std::vector<bool>& keep) const {
        std::vector<bool> needed = keep;
        for (size_t id = size(); id-- > 0;)
            if (needed[id] && lengths_[id] > 1) needed[first(id)] = needed[last(id)] = true;
        WordNgrams rest(range_);
        auto ids = rest.merge(*this, [&](uint32_t id) { return needed[id]; });
        return {std::move(rest), std::move(ids)};
    }

    // All ids in the order of their strings.
    std::vector<uint32_t> sorted() const {
        std::vector<uint32_t> words;
        for (uint32_t id = 0; id < size(); ++id)
            if (lengths_[id] == 1) words.push_back(id);
        words = sorted_ids(std::move(words), [&](uint32_t id) { return words_[nodes_[id]]; });
        if (pair_table_.size() == 0) return words;
        int bits = std::bit_width(words.size());
        uint32_t longest = *std::max_element(lengths_.begin(), lengths_.end());
        return longest * bits <= 64 ? by_ranks(words, bits, longest) : preorder(words);
    }

    void forget_places() {
        word_table_.forget_places();
        pair_table_.forget_places();
    }

private:
    NgramRange range_;
    SlotTable<ShortKey> word_table_;
    SlotTable<PairKey> pair_table_;
    StringPool words_;
    std::vector<uint64_t> nodes_;           // of a word its number in the pool, of a longer
                                            // n-gram its first part and last word
    std::vector<uint32_t> lengths_;         // in words
    std::vector<uint32_t> ids_, prefixes_;  // of the document that is counted
    KeyBlock<ShortKey> word_block_;
    KeyBlock<PairKey> pair_block_;

    uint32_t first(uint32_t id) const { return static_cast<uint32_t>(nodes_[id] >> 32); }
    uint32_t last(uint32_t id) const { return static_cast<uint32_t>(nodes_[id]); }

    KeyBlock<ShortKey>& call_words(const Spans& spans, size_t begin, size_t n) {
        const Span* parts = spans.parts.data() + begin;
        word_block_.call(word_table_, n,
                         [&](size_t i) { return ShortKey(spans.text.data() + parts[i].begin, parts[i].length); });
        return word_block_;
    }

    uint32_t new_node(uint64_t node, size_t length) {
        if (size() >= INT32_MAX) throw std::length_error("more than 2**31 - 1 terms");
        nodes_.push_back(node);
        lengths_.push_back(static_cast<uint32_t>(length));
        return static_cast<uint32_t>(size() - 1);
    }

    SlotTable<ShortKey>::Slot& word_slot(const ShortKey& key, uint64_t hash, const Spans& spans, size_t i) {
        const uint8_t* p = spans.text.data() + spans.parts[i].begin;
        auto& slot = word_table_.at(key, hash, Same{*this, p, spans.parts[i].length});
        if (slot.id == kNone) {
            word_table_.take(slot, key, new_node(words_.size(), 1));
            words_.add(p, spans.parts[i].length);
        }
        return slot;
    }

    SlotTable<PairKey>::Slot& pair_slot(const PairKey& key, uint64_t hash, size_t length) {
        auto& slot = pair_table_.at(key, hash, [](uint32_t) { return true; });
        if (slot.id == kNone) pair_table_.take(slot, key, new_node(key.pair, length));
        return slot;
    }

    uint32_t intern_word(const Spans& spans, size_t i) {
        word_table_.reserve(1);
        ShortKey key(spans.text.data() + spans.parts[i].begin, spans.parts[i].length);
        return word_slot(key, key.hash(), spans, i).id;
    }

    uint32_t intern_pair(uint32_t prefix, uint32_t word, size_t length) {
        pair_table_.reserve(1);
        PairKey key(prefix, word);
        return pair_slot(key, key.hash(), length).id;
    }

    template <class Wanted>
    std::vector<uint32_t> merge(const WordNgrams& other, Wanted wanted) {
        std::vector<uint32_t> ids(other.size(), kNone);
        Spans word;
        constexpr size_t ahead = 16;
        for (uint32_t id = 0; id < other.size(); ++id) {
            if (id + ahead < other.size() && other.lengths_[id + ahead] > 1) {
                uint32_t a = other.first(id + ahead), b = other.last(id + ahead);
                if (a < id && b < id) pair_table_.prefetch(PairKey(ids[a], ids[b]).hash());
            }
            if (!wanted(id)) continue;
            if (other.lengths_[id] > 1) {
                ids[id] = intern_pair(ids[other.first(id)], ids[other.last(id)], other.lengths_[id]);
                continue;
            }
            std::string_view s = other.words_[other.nodes_[id]];
            word.room(s.size());
            std::copy(s.begin(), s.end(), word.text.begin());
            word.parts.push_back({0, static_cast<uint32_t>(s.size())});
            ids[id] = intern_word(word, 0);
        }
        return ids;
    }

    // The ranks of its words, from 1 on, make a number of the order of an n-gram
    // where 64 bits hold them. `words` are sorted.
    std::vector<uint32_t> by_ranks(const std::vector<uint32_t>& words, int bits, uint32_t longest) const {
        std::vector<uint64_t> rank(size());
        for (size_t i = 0; i < words.size(); ++i) rank[words[i]] = (i + 1) << (bits * (longest - 1));
        std::vector<Prefix> keys(size()), scratch;
        for (uint32_t id = 0; id < size(); ++id) {
            uint32_t length = lengths_[id];
            if (length > 1) rank[id] = rank[first(id)] | rank[last(id)] >> (bits * (length - 1));
            keys[id] = {rank[id], id};
        }
        radix_sort(keys.data(), keys.size(), scratch);
        std::vector<uint32_t> order(size());
        for (size_t i = 0; i < order.size(); ++i) order[i] = keys[i].id;
        return order;
    }

    // As a tree, in which an n-gram comes before those that it begins, and these
    // in the order of their last words.
    std::vector<uint32_t> preorder(const std::vector<uint32_t>& words) const {
        std::vector<uint32_t> rank(size()), by_word(size() - words.size());
        for (uint32_t i = 0; i < words.size(); ++i) rank[words[i]] = i;
        std::vector<uint32_t> starts(words.size() + 1);
        const auto each_longer = [&](auto f) {
            for (uint32_t id = 0; id < size(); ++id)
                if (lengths_[id] > 1) f(id);
        };
        each_longer([&](uint32_t id) { ++starts[rank[last(id)] + 1]; });
        for (size_t i = 0; i < words.size(); ++i) starts[i + 1] += starts[i];
        each_longer([&](uint32_t id) { by_word[starts[rank[last(id)]]++] = id; });

        std::vector<uint32_t> children(by_word.size()), begins(size() + 1);
        for (uint32_t id : by_word) ++begins[first(id) + 1];
        for (size_t i = 0; i < size(); ++i) begins[i + 1] += begins[i];
        std::vector<uint32_t>& next = rank;
        std::copy(begins.begin(), begins.end() - 1, next.begin());
        for (uint32_t id : by_word) children[next[first(id)]++] = id;

        std::vector<uint32_t> order, stack;
        order.reserve(size());
        for (uint32_t word : words) {
            stack.push_back(word);
            while (!stack.empty()) {
                uint32_t id = stack.back();
                stack.pop_back();
                order.push_back(id);
                for (uint32_t i = begins[id + 1]; i-- > begins[id];) stack.push_back(children[i]);
            }
        }
        return order;
    }

    template <class Poll, class F>
    static void each_block(size_t size, Poll& poll, F f) {
        for (size_t begin = 0; begin < size; begin += kBlock) {
            size_t n = std::min(kBlock, size - begin);
            f(begin, n);
            poll(n);
        }
    }
};
