// Rows of numbers of features, brought into the order of columns.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// Sorts the entries of a row by column. Short rows without duplicates are ranked, as that has no branch to mispredict.
class RowSorter {
public:
    // Writes the row sorted, and returns false if a column occurs twice. Equal columns then keep their order.
    template <class T>
    bool sort(const int32_t* column, const T* value, size_t n, int32_t* sorted_column, T* sorted_value) {
        if (n <= kShort) {
            int32_t key[kShort + kStep], total = 0, rank[kShort];
            std::copy(column, column + n, key);
            std::fill(key + n, key + n + kStep, INT32_MAX);
            for (size_t i = 0; i < n; ++i) {
                int32_t less = 0;
                for (size_t j = 0; j < n; j += kStep)
                    for (size_t k = 0; k < kStep; ++k) less += key[j + k] < key[i];
                rank[i] = less;
                total += less;
            }
            if (total == static_cast<int32_t>(n * (n - 1) / 2)) {
                for (size_t i = 0; i < n; ++i) {
                    sorted_column[rank[i]] = key[i];
                    if (value) sorted_value[rank[i]] = value[i];
                }
                return true;
            }
        }
        order_.resize(n);
        std::iota(order_.begin(), order_.end(), 0);
        std::stable_sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) { return column[a] < column[b]; });
        bool distinct = true;
        for (size_t i = 0; i < n; ++i) {
            sorted_column[i] = column[order_[i]];
            if (value) sorted_value[i] = value[order_[i]];
            distinct &= i == 0 || sorted_column[i] != sorted_column[i - 1];
        }
        return distinct;
    }

private:
    static constexpr size_t kShort = 40, kStep = 8;
    std::vector<uint32_t> order_;
};

// Holds the rows of a CSR matrix. The data may be left out where all of it is 1. Raw rows are in any order, with
// columns that occur twice and with -1 for what is to be dropped.
template <class T>
struct Rows {
    std::vector<int32_t> indptr{0}, indices;
    std::vector<T> data;
};

inline void check_entries(size_t n) {
    if (n > INT32_MAX) throw std::length_error("more than 2**31 - 1 non-zeros: transform fewer sequences at once");
}

// Returns the column of each of n features, and the number of columns. Columns are in the order of the number of rows
// that have them, most first, equal ones in the order of their first appearance. Features in fewer than min_count rows
// have -1.
inline std::pair<std::vector<int32_t>, size_t> frequency_order(const int32_t* indptr, size_t n_rows,
                                                               const int32_t* indices, size_t n, int64_t min_count) {
    struct Seen {
        int32_t count = 0, row = -1;
    };
    std::vector<Seen> seen(n);
    std::vector<int32_t> features, column(n, -1);
    features.reserve(n);
    for (size_t r = 0; r < n_rows; ++r)
        for (int32_t p = indptr[r]; p < indptr[r + 1]; ++p) {
            Seen& s = seen[indices[p]];
            if (s.count == 0) features.push_back(indices[p]);
            s.count += s.row != static_cast<int32_t>(r);
            s.row = static_cast<int32_t>(r);
        }
    std::erase_if(features, [&](int32_t f) { return seen[f].count < min_count; });
    std::stable_sort(features.begin(), features.end(),
                     [&](int32_t a, int32_t b) { return seen[a].count > seen[b].count; });
    for (size_t j = 0; j < features.size(); ++j) column[features[j]] = static_cast<int32_t>(j);
    return {std::move(column), features.size()};
}

// Sums the values of equal columns of a sorted row, drops the sums that are 0, and returns how many entries are left.
template <class T>
size_t without_duplicates(int32_t* column, T* value, size_t n, size_t row) {
    size_t left = 0;
    for (size_t i = 0, next; i < n; i = next) {
        T sum = value[i];
        for (next = i + 1; next < n && column[next] == column[i]; ++next) sum += value[next];
        if (!std::isfinite(sum))
            throw std::invalid_argument("X: the values of a feature that token " + std::to_string(row) +
                                        " of all has more than once sum to infinity");
        column[left] = column[i];
        value[left] = sum;
        left += sum != 0;
    }
    return left;
}

// Returns raw rows with column[f] in the place of f (f itself without `column`), sorted, equal columns summed, zeros
// dropped.
template <class T>
Rows<T> canonical_rows(const int32_t* indptr, size_t n_rows, const int32_t* indices, const T* data,
                       const int32_t* column) {
    auto column_of = [&](int32_t f) { return column && f >= 0 ? column[f] : f; };
    size_t kept = 0, q = 0;
    for (int32_t p = 0; p < indptr[n_rows]; ++p) kept += column_of(indices[p]) >= 0;
    Rows<T> out;
    out.indptr.resize(n_rows + 1);
    out.indices.resize(kept);
    out.data.resize(data ? kept : 0);
    RowSorter sorter;
    std::vector<int32_t> row;
    std::vector<T> value;
    for (size_t r = 0; r < n_rows; ++r) {
        size_t length = indptr[r + 1] - indptr[r], n = 0;
        if (row.size() < length) row.resize(2 * length), value.resize(2 * length);
        for (int32_t p = indptr[r]; p < indptr[r + 1]; ++p) {
            row[n] = column_of(indices[p]);
            if (data) value[n] = data[p];
            n += row[n] >= 0;
        }
        int32_t* sorted = out.indices.data() + q;
        T* values = out.data.data() + q;
        if (!sorter.sort(row.data(), data ? value.data() : nullptr, n, sorted, values)) {
            if (!data) throw std::invalid_argument("data must be given where a row has a column twice");
            n = without_duplicates(sorted, values, n, r);
        }
        q += n;
        out.indptr[r + 1] = static_cast<int32_t>(q);
    }
    out.indices.resize(q);
    out.data.resize(data ? q : 0);
    return out;
}

// Says which features tokens get at one offset. Token t gets first + the features of value[t + offset], and none where
// that is outside of the sequence or negative.
struct Part {
    const int32_t *value, *indptr, *indices;
    int64_t offset;
    int32_t first;
};

// Returns raw rows of all tokens.
inline Rows<float> gathered(const int64_t* lengths, size_t n_sequences, const std::vector<Part>& parts) {
    size_t n_tokens = std::accumulate(lengths, lengths + n_sequences, size_t(0)), most = 0;
    for (const Part& part : parts)
        for (size_t t = 0; t < n_tokens; ++t)
            if (int32_t v = part.value[t]; v >= 0) most += part.indptr[v + 1] - part.indptr[v];
    check_entries(most);
    Rows<float> out;
    out.indptr.resize(n_tokens + 1);
    out.indices.resize(most);
    int32_t* next = out.indices.data();
    size_t begin = 0;
    for (size_t s = 0; s < n_sequences; begin += lengths[s++])
        for (int64_t t = 0; t < lengths[s]; ++t) {
            for (const Part& part : parts) {
                int64_t u = t + part.offset;
                if (u < 0 || u >= lengths[s]) continue;
                int32_t v = part.value[begin + u];
                if (v < 0) continue;
                for (int32_t p = part.indptr[v]; p < part.indptr[v + 1]; ++p) *next++ = part.first + part.indices[p];
            }
            out.indptr[begin + t + 1] = static_cast<int32_t>(next - out.indices.data());
        }
    out.indices.resize(next - out.indices.data());
    return out;
}
