// Rows of documents where the columns are known beforehand: by a table of
// terms, or by a hash.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.hpp"
#include "features/murmur3.hpp"
#include "features/text_cells.hpp"
#include "features/text_counts.hpp"
#include "features/text_weights.hpp"

// A term that cannot be hashed: Python has no UTF-8 for surrogates.
struct LoneSurrogate {
    std::string term;
};

// Sorted rows of some documents, a column at most once in each.
class Rows {
public:
    explicit Rows(size_t n_columns) : n_columns_(n_columns) {}

    size_t n_columns() const { return n_columns_; }
    size_t n_rows() const { return n_rows_; }
    size_t n_entries() const { return n_entries_; }

    int32_t largest() const {
        int32_t most = 0;
        for (const auto& part : parts_)
            for (int32_t count : part.counts) most = std::max(most, count);
        return most;
    }

    int32_t smallest() const {
        int32_t least = 0;
        for (const auto& part : parts_)
            for (int32_t count : part.counts) least = std::min(least, count);
        return least;
    }

    // Add documents. `find(spans, found, poll)` of one for each thread of
    // `finders` calls found(column, count) for all that it finds.
    template <class Finder>
    void add(const std::vector<Document>& documents, const AnalyzerRules& rules, std::vector<Finder>& finders) {
        int n = static_cast<int>(finders.size());
        std::vector<size_t> cuts = equal_parts(documents, n);
        std::vector<Part> parts(n);
        std::vector<std::optional<LoneSurrogate>> refused(n);
        Interruption interruption;
        parallel(n, [&](int t) {
            Analyzer analyze(rules);
            Poll poll(interruption, t);
            try {
                const Document* first = documents.data() + cuts[t];
                parts[t].add(cuts[t + 1] - cuts[t], std::bit_width(n_columns_),
                             [&](size_t i, const auto& found) { finders[t](analyze(first[i], poll), found, poll); });
            } catch (const LoneSurrogate& term) {
                refused[t] = term;
            }
        });
        for (const auto& term : refused)  // the first of the documents, whatever the threads
            if (term) throw *term;
        for (auto& part : parts) take(std::move(part));
    }

    // Add documents that have been counted. `columns` are by id; negative ones
    // are none.
    void add(const CountTable& counts, const int32_t* documents, size_t n, const int32_t* columns) {
        const auto entries = counts.documents();
        Part part;
        part.add(n, std::bit_width(n_columns_), [&](size_t i, const auto& found) {
            auto [begin, end] = entries[documents[i]];
            for (; begin != end; ++begin)
                if (columns[begin->id] >= 0)
                    found(static_cast<uint32_t>(columns[begin->id]), static_cast<int32_t>(begin->count));
        });
        take(std::move(part));
    }

    template <class T, class I>
    void write(const Weights<T>& weights, T* data, I* indices, I* indptr, int n_threads) const {
        *indptr++ = 0;
        std::vector<size_t> row(parts_.size() + 1), entry(parts_.size() + 1);
        for (size_t i = 0; i < parts_.size(); ++i) {
            row[i + 1] = row[i] + parts_[i].ends.size();
            entry[i + 1] = entry[i] + parts_[i].counts.size();
        }
        std::atomic<size_t> next = 0;
        parallel(std::min<int>(n_threads, static_cast<int>(std::max<size_t>(parts_.size(), 1))), [&](int) {
            for (size_t i; (i = next++) < parts_.size();)
                parts_[i].write(weights, data + entry[i], indices + entry[i], indptr + row[i], entry[i]);
        });
    }

private:
    struct Part {
        std::vector<int32_t> columns, counts;
        std::vector<size_t> ends;

        // find(i, found) calls found(column, count) for all of document i.
        template <class Find>
        void add(size_t n, int bits, Find find) {
            std::vector<Cell> cells, scratch;
            std::vector<size_t> places;
            for (size_t i = 0, first = 0; i < n; ++i) {
                const auto found = [&](uint32_t column, int32_t count) {
                    cells.push_back({column, static_cast<uint32_t>(i - first), static_cast<uint32_t>(count)});
                };
                find(i, found);
                places.push_back(cells.size());
                if (cells.size() < kCells && i + 1 < n) continue;
                sort_by_column(cells, scratch, bits);
                add_sorted(cells, places, scratch);
                cells.clear();
                places.clear();
                first = i + 1;
            }
        }

        // `ends` of the cells of each document.
        void add_sorted(const std::vector<Cell>& cells, std::vector<size_t>& ends, std::vector<Cell>& rows) {
            rows.resize(cells.size());
            std::vector<size_t> places(ends.size());
            for (size_t d = 1; d < ends.size(); ++d) places[d] = ends[d - 1];
            for (const Cell& cell : cells) rows[places[cell.document]++] = cell;
            for (size_t d = 0, k = 0; d < ends.size(); ++d) {
                while (k < ends[d]) {
                    uint32_t column = rows[k].column, count = 0;
                    for (; k < ends[d] && rows[k].column == column; ++k) count += rows[k].count;
                    columns.push_back(static_cast<int32_t>(column));
                    counts.push_back(static_cast<int32_t>(count));
                }
                this->ends.push_back(columns.size());
            }
        }

        template <class T, class I>
        void write(const Weights<T>& weights, T* data, I* indices, I* indptr, size_t before) const {
            for (size_t d = 0, begin = 0; d < ends.size(); begin = ends[d++]) {
                double sum = 0;
                for (size_t k = begin; k < ends[d]; ++k) {
                    data[k] = weights.value(counts[k], columns[k]);
                    indices[k] = static_cast<I>(columns[k]);
                    if (weights.norm != Norm::kNone) sum += weights.part(data[k]);
                }
                if (weights.norm != Norm::kNone) {
                    double divisor = weights.divisor(sum);
                    for (size_t k = begin; k < ends[d]; ++k) data[k] = static_cast<T>(data[k] / divisor);
                }
                indptr[d] = static_cast<I>(before + ends[d]);
            }
        }
    };
    void take(Part&& part) {
        n_rows_ += part.ends.size();
        n_entries_ += part.counts.size();
        if (!part.ends.empty()) parts_.push_back(std::move(part));
    }

    std::vector<Part> parts_;
    size_t n_columns_, n_rows_ = 0, n_entries_ = 0;
};

// Columns as scikit-learn's FeatureHasher has them.
struct HashedColumns {
    uint32_t n_features;
    bool alternate_sign;

    template <class Found>
    void operator()(const Spans& spans, const Found& found, Poll& poll) const {
        for (const Span& span : spans.parts) {
            const uint8_t* p = spans.text.data() + span.begin;
            if (spans.surrogates && find_surrogate(p, span.length) < span.length)
                throw LoneSurrogate{std::string(reinterpret_cast<const char*>(p), span.length)};
            auto h = static_cast<int32_t>(murmur3(p, span.length));
            uint32_t column = h == INT32_MIN ? (uint32_t(INT32_MAX) - (n_features - 1)) % n_features
                                             : static_cast<uint32_t>(std::abs(h)) % n_features;
            found(column, alternate_sign && h < 0 ? -1 : 1);
        }
        poll(spans.parts.size());
    }
};
