// Sequences of labelled tokens, and the order in which a pass takes them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/csr.hpp"
#include "chain/dense_block.hpp"
#include "chain/transitions.hpp"

template <class T, class I>
struct ChainData {
    Csr<T, I> X;
    const int64_t* offsets;  // tokens [offsets[s], offsets[s + 1]) are sequence s
    size_t n_sequences;
    const int32_t* labels;  // of a token, kAnyLabel where it is missing
    const T* omega;         // of a sequence: its weight over that of all tokens
    const int64_t* active;  // the sequences that have tokens and a positive weight: the samples of the problem
    size_t n_active;
    DenseBlock<T> V;  // more features of the tokens

    size_t length(size_t s) const { return offsets[s + 1] - offsets[s]; }
    const int32_t* labels_of(size_t s) const { return labels + offsets[s]; }

    bool is_complete(size_t s) const {
        const int32_t *y = labels_of(s), *last = y + length(s);
        return std::find(y, last, kAnyLabel) == last;
    }

    void list_tokens(const int64_t* sequences, size_t n, std::vector<int64_t>& tokens) const {
        tokens.clear();
        for (size_t i = 0; i < n; ++i)
            for (int64_t token = offsets[sequences[i]]; token < offsets[sequences[i] + 1]; ++token)
                tokens.push_back(token);
    }
};

constexpr size_t kUnits = 8;    // of a block
constexpr size_t kAbreast = 4;  // sequences that kernels take side by side at most

// Divides a pass into units, which threads share. A unit is whole sequences that are some tokens together, in groups of
// kAbreast but for long ones, and `kUnits` units are a block. The order is that of `active` but for blocks of about so
// many non-zeros, in which long sequences go first, so that the units of a block take about as long.
class PassOrder {
public:
    std::vector<int64_t> sequences;
    std::vector<size_t> units;  // sequences [units[u], units[u + 1]) are unit u
    size_t block_tokens = 0;    // the most tokens of a block

    template <class T, class I>
    PassOrder(const ChainData<T, I>& data, size_t block_nnz, size_t row_bytes) {
        sort(data, block_nnz);
        size_t n_tokens = 0;
        for (int64_t s : sequences) n_tokens += data.length(s);
        // a block's marginals stay in the cache until they are added up
        size_t target = std::max<size_t>(32, std::min(n_tokens / 64, (size_t(1) << 14) / row_bytes));
        size_t tokens = 0;
        units.assign(1, 0);
        for (size_t i = 0; i < sequences.size(); ++i) {
            tokens += data.length(sequences[i]);
            const bool whole = (i + 1 - units.back()) % kAbreast == 0 || tokens >= 2 * target;
            if ((tokens >= target && whole) || i + 1 == sequences.size()) units.push_back(i + 1), tokens = 0;
        }
        for (size_t b = 0; b < n_blocks(); ++b) {
            size_t sum = 0;
            for (size_t i = units[first_of(b)]; i < units[last_of(b)]; ++i) sum += data.length(sequences[i]);
            block_tokens = std::max(block_tokens, sum);
        }
    }

    size_t n_blocks() const { return (units.size() - 1 + kUnits - 1) / kUnits; }

    // Units [first_of(b), last_of(b)) are block b.
    size_t first_of(size_t b) const { return b * kUnits; }
    size_t last_of(size_t b) const { return std::min((b + 1) * kUnits, units.size() - 1); }

private:
    template <class T, class I>
    void sort(const ChainData<T, I>& data, size_t block_nnz) {
        auto nnz_of = [&](int64_t s) { return data.X.indptr[data.offsets[s + 1]] - data.X.indptr[data.offsets[s]]; };
        auto longer = [&](int64_t a, int64_t b) { return data.length(a) > data.length(b); };
        sequences.assign(data.active, data.active + data.n_active);
        for (auto begin = sequences.begin(), end = begin; begin != sequences.end(); begin = end) {
            for (size_t nnz = 0; end != sequences.end() && nnz < block_nnz; ++end) nnz += nnz_of(*end);
            std::stable_sort(begin, end, longer);
        }
    }
};
