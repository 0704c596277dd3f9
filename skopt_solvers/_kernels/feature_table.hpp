// Names of features against their numbers, and rows of numbers brought into the order of their frequency.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// memcpy, inlined for short strings.
[[gnu::always_inline]] inline void copy_bytes(char* to, const char* from, size_t n) {
    auto ends = [&]<class Word>(Word) {  // two words that may overlap
        std::memcpy(to, from, sizeof(Word));
        std::memcpy(to + n - sizeof(Word), from + n - sizeof(Word), sizeof(Word));
    };
    if (n > 16) {
        std::memcpy(to, from, n);
    } else if (n >= 8) {
        ends(uint64_t());
    } else if (n >= 4) {
        ends(uint32_t());
    } else if (n) {
        to[0] = from[0];
        to[n / 2] = from[n / 2];
        to[n - 1] = from[n - 1];
    }
}

// Strings end to end, each padded with zeros to whole words, so that hashing and comparing go by words.
class Names {
public:
    size_t size() const { return ranges_.size(); }
    size_t length(size_t i) const { return ranges_[i].length; }
    const uint64_t* words(size_t i) const { return words_.data() + ranges_[i].begin; }
    std::string_view operator[](size_t i) const { return {reinterpret_cast<const char*>(words(i)), length(i)}; }

    void clear() {
        ranges_.clear();
        end_ = 0;
        open();
    }

    // A name is opened, appended to, and closed, which pads and keeps it, or opened again, which drops it.
    void open() { open_ = end_ * sizeof(uint64_t); }

    std::string_view opened() const { return {reinterpret_cast<const char*>(words_.data() + end_), open_ - end_ * sizeof(uint64_t)}; }

    // Where n bytes can be written; appended(n) takes them in.
    [[gnu::always_inline]] char* room(size_t n) {
        if (words_.size() * sizeof(uint64_t) < open_ + n + sizeof(uint64_t)) [[unlikely]] grow(n);
        return reinterpret_cast<char*>(words_.data()) + open_;
    }
    void appended(size_t n) { open_ += n; }

    [[gnu::always_inline]] void append(const char* data, size_t n) {
        copy_bytes(room(n), data, n);
        open_ += n;
    }

    [[gnu::always_inline]] void close() {
        size_t length = open_ - end_ * sizeof(uint64_t);
        if (end_ > UINT32_MAX || length > UINT32_MAX) throw std::length_error("more than 32 GB of feature names");
        std::memset(room(0), 0, sizeof(uint64_t));
        ranges_.push_back({static_cast<uint32_t>(end_), static_cast<uint32_t>(length)});
        end_ += (length + sizeof(uint64_t) - 1) / sizeof(uint64_t);
        open();
    }

    void add(std::string_view name) {
        append(name.data(), name.size());
        close();
    }

    bool equal(size_t i, const uint64_t* words, size_t length) const {
        if (ranges_[i].length != length) return false;
        const uint64_t* own = this->words(i);
        for (size_t k = 0; k * sizeof(uint64_t) < length; ++k)
            if (own[k] != words[k]) return false;
        return true;
    }

private:
    struct Range {
        uint32_t begin, length;
    };
    std::vector<uint64_t> words_ = std::vector<uint64_t>(64);
    std::vector<Range> ranges_;
    size_t end_ = 0, open_ = 0;  // in words; in bytes

    [[gnu::noinline]] void grow(size_t n) { words_.resize(2 * words_.size() + n); }
};

// Distinct names, numbered in the order of their first appearance. Open addressing; names are compared, not hashes only.
class FeatureTable {
public:
    FeatureTable() : slots_(256) {}

    // A table of distinct names.
    explicit FeatureTable(const Names& names) : FeatureTable() {
        std::vector<int32_t> numbers(names.size());
        add(names, numbers.data());
    }

    size_t size() const { return names_.size(); }
    std::string_view operator[](size_t i) const { return names_[i]; }

    // The numbers of names, -1 for those that are not here. Threads may share a table, each with memory for hashes of its own.
    void find(const Names& names, int32_t* numbers, std::vector<uint64_t>& hashes) const {
        call(names, hashes);
        for (size_t i = 0; i < names.size(); ++i) numbers[i] = slots_[probe(names, i, hashes[i])].number;
    }

    // The numbers of names, new ones where need be.
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

    // The slot that holds a name, or the empty one where it would be put.
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

// MurmurHash3_x86_32 with seed 0 (Austin Appleby, public domain), as scikit-learn's FeatureHasher uses it.
inline uint32_t murmur3(std::string_view name) {
    auto rotated = [](uint32_t x, int r) { return (x << r) | (x >> (32 - r)); };
    auto mixed = [&](uint32_t k) { return rotated(k * 0xcc9e2d51, 15) * 0x1b873593; };
    uint32_t h = 0, k;
    size_t i = 0;
    for (; i + 4 <= name.size(); i += 4) {
        std::memcpy(&k, name.data() + i, 4);
        h = rotated(h ^ mixed(k), 13) * 5 + 0xe6546b64;
    }
    k = 0;
    for (int shift = 0; i < name.size(); ++i, shift += 8) k |= static_cast<uint32_t>(static_cast<uint8_t>(name[i])) << shift;
    h ^= mixed(k) ^ static_cast<uint32_t>(name.size());
    h = (h ^ (h >> 16)) * 0x85ebca6b;
    h = (h ^ (h >> 13)) * 0xc2b2ae35;
    return h ^ (h >> 16);
}

// Sorts the entries of a row by column. Short rows without duplicates are ranked, as that has no branch to mispredict.
class RowSorter {
public:
    // Writes the row sorted; false if a column occurs twice (equal columns then keep their order).
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

// Rows of a CSR matrix; the data may be left out where all of it is 1. Raw rows are in any order, with columns that occur
// twice and with -1 for what is to be dropped.
template <class T>
struct Rows {
    std::vector<int32_t> indptr{0}, indices;
    std::vector<T> data;
};

inline void check_entries(size_t n) {
    if (n > INT32_MAX) throw std::length_error("more than 2**31 - 1 non-zeros: transform fewer sequences at once");
}

// For each of n features its column in the order of the number of rows that have it, most first, equal ones in the
// order of their first appearance; -1 for those in fewer than min_count rows. And the number of columns.
inline std::pair<std::vector<int32_t>, size_t> frequency_order(const int32_t* indptr, size_t n_rows, const int32_t* indices, size_t n,
                                                              int64_t min_count) {
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
    std::stable_sort(features.begin(), features.end(), [&](int32_t a, int32_t b) { return seen[a].count > seen[b].count; });
    for (size_t j = 0; j < features.size(); ++j) column[features[j]] = static_cast<int32_t>(j);
    return {std::move(column), features.size()};
}

// Sums the values of equal columns of a sorted row, and drops the sums that are 0; the entries left.
template <class T>
size_t without_duplicates(int32_t* column, T* value, size_t n, size_t row) {
    size_t left = 0;
    for (size_t i = 0, next; i < n; i = next) {
        T sum = value[i];
        for (next = i + 1; next < n && column[next] == column[i]; ++next) sum += value[next];
        if (!std::isfinite(sum))
            throw std::invalid_argument("X: the values of a feature that token " + std::to_string(row) + " of all has more than once sum to infinity");
        column[left] = column[i];
        value[left] = sum;
        left += sum != 0;
    }
    return left;
}

// Raw rows with column[f] in the place of f (f itself without `column`), sorted, equal columns summed, zeros dropped.
template <class T>
Rows<T> canonical_rows(const int32_t* indptr, size_t n_rows, const int32_t* indices, const T* data, const int32_t* column) {
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

// Features of the tokens at one offset: token t gets first + the features of value[t + offset], none where that is
// outside of the sequence or negative.
struct Part {
    const int32_t *value, *indptr, *indices;
    int64_t offset;
    int32_t first;
};

// Raw rows of all tokens.
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
