// The module that walks sequences of Python's objects into CSR rows.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/bind_arrays.hpp"
#include "features/bind_items.hpp"
#include "features/feature_table.hpp"
#include "features/murmur3.hpp"
#include "features/rows.hpp"

using namespace nb::literals;

void bind_token_columns(nb::module_& m);

template <class T>
static auto csr_arrays(Rows<T> rows) {
    return std::make_tuple(to_numpy(std::move(rows.data)), to_numpy(std::move(rows.indices)),
                           to_numpy(std::move(rows.indptr)));
}

// Returns rows, as they are met or canonical, and the number of tokens of each sequence.
template <class T, class Number>
static auto walk(nb::list X, TokenVectors<T>* vectors, bool canonical, Number number) {
    Walk<T, Number> walk(number, vectors);
    walk.sequences(X);
    if (canonical) {
        nb::gil_scoped_release release;
        const Rows<T>& raw = walk.rows;
        walk.rows =
            canonical_rows<T>(raw.indptr.data(), raw.indptr.size() - 1, raw.indices.data(), raw.data.data(), nullptr);
    }
    return std::make_tuple(csr_arrays(std::move(walk.rows)), to_numpy(std::move(walk.lengths)));
}

// Returns what walk does, and the vectors: of each key its name, their size and their numbers, row after row.
template <class T, class Number>
static auto walk_with_vectors(nb::list X, TokenVectors<T> vectors, bool canonical, Number number) {
    auto read = walk<T>(X, &vectors, canonical, number);
    nb::list keys;
    for (KeyVectors<T>& known : vectors.keys)
        keys.append(nb::make_tuple(known.key, known.size, to_numpy(std::move(known.rows))));
    return std::tuple_cat(std::move(read), std::make_tuple(keys));
}

template <class T>
static auto learn(FeatureTable& table, nb::list X) {
    return walk_with_vectors<T>(X, {{}, true}, false,
                                [&](const Names& names, int32_t* columns) { table.add(names, columns); });
}

template <class T>
static auto look_up(const FeatureTable& table, nb::list X) {
    std::vector<uint64_t> hashes;
    return walk<T>(X, nullptr, false,
                   [&](const Names& names, int32_t* columns) { table.find(names, columns, hashes); });
}

// A key of vectors is known by its name and their size.
using BoundKey = std::pair<std::string, size_t>;

template <class T>
static auto transform(const FeatureTable& table, nb::list X, const std::vector<BoundKey>& keys) {
    TokenVectors<T> vectors{{}, false};
    for (auto& [key, size] : keys) {
        require(size > 0 && size <= INT32_MAX, "a vector must have a size of int32");
        vectors.keys.push_back({key, size, {}});
    }
    std::vector<uint64_t> hashes;
    return walk_with_vectors<T>(X, std::move(vectors), true,
                                [&](const Names& names, int32_t* columns) { table.find(names, columns, hashes); });
}

template <class T>
static auto hashed(uint32_t n_features, nb::list X) {
    require(n_features > 0 && n_features <= INT32_MAX, "n_features must be positive and an int32");
    return walk<T>(X, nullptr, true, [=](const Names& names, int32_t* columns) {
        for (size_t i = 0; i < names.size(); ++i)
            columns[i] = static_cast<int32_t>(murmur3(names[i].data(), names[i].size()) % n_features);
    });
}

// Throws unless the rows have features in [low, high).
static void check_features(const In<int32_t>& indptr, const In<int32_t>& indices, int64_t low, int64_t high) {
    const char* error = check_indptr(indptr.data(), indptr.size(), indices.size());
    require(!error, error);
    require(indptr.data()[indptr.size() - 1] == static_cast<int64_t>(indices.size()), "indptr must end at the entries");
    require(between(indices, low, high), "indices must be numbers of features");
}

template <class T>
static auto canonical(In<T> data, In<int32_t> indices, In<int32_t> indptr, std::optional<In<int32_t>> column) {
    check_features(indptr, indices, INT32_MIN, column ? column->size() : size_t(1) << 31);
    require(data.size() == 0 || data.size() == indices.size(), "data must have one value an entry, or none");
    auto rows = [&] {
        nb::gil_scoped_release release;
        return canonical_rows<T>(indptr.data(), indptr.size() - 1, indices.data(), data.size() ? data.data() : nullptr,
                                 column ? column->data() : nullptr);
    }();
    return csr_arrays(std::move(rows));
}

static auto columns_by_frequency(In<int32_t> indices, In<int32_t> indptr, size_t n, int64_t min_count) {
    check_features(indptr, indices, 0, n);
    auto [column, n_columns] = [&] {
        nb::gil_scoped_release release;
        return frequency_order(indptr.data(), indptr.size() - 1, indices.data(), n, min_count);
    }();
    return std::make_pair(to_numpy(std::move(column)), n_columns);
}

// A part is the value of each token, the rows that values stand for, the offset, and the first feature.
using BoundPart = std::tuple<In<int32_t>, In<int32_t>, In<int32_t>, int64_t, int32_t>;

static auto gather(In<int64_t> lengths, const std::vector<BoundPart>& parts) {
    require(between(lengths, 0, INT32_MAX), "lengths must be non-negative, and int32");
    int64_t n_tokens = std::accumulate(lengths.data(), lengths.data() + lengths.size(), int64_t(0));
    check_entries(n_tokens);
    std::vector<Part> pointers;
    for (auto& [value, indptr, indices, offset, first] : parts) {
        require(static_cast<int64_t>(value.size()) == n_tokens, "a part must have one value a token");
        check_features(indptr, indices, 0, int64_t(INT32_MAX) - std::max(first, 0) + 1);
        require(first >= 0 && between(value, INT32_MIN, indptr.size() - 1), "a part's values must have rows");
        pointers.push_back(
            {value.data(), indptr.data(), indices.data(), std::clamp(offset, -n_tokens, n_tokens), first});
    }
    auto rows = [&] {
        nb::gil_scoped_release release;
        return gathered(lengths.data(), lengths.size(), pointers);
    }();
    return csr_arrays(std::move(rows));
}

static nb::list names_of(const FeatureTable& table) {
    nb::list names;
    for (size_t i = 0; i < table.size(); ++i) names.append(nb::str(table[i].data(), table[i].size()));
    return names;
}

static FeatureTable reordered(const FeatureTable& table, In<int32_t> column, size_t n_columns) {
    require(column.size() == table.size() && n_columns <= table.size(), "column must have one entry a feature");
    require(between(column, INT32_MIN, n_columns), "column must be below n_columns");
    std::vector<size_t> feature(n_columns);
    for (size_t f = 0; f < column.size(); ++f)
        if (column.data()[f] >= 0) feature[column.data()[f]] = f;
    Names names;
    for (size_t f : feature) names.add(table[f]);
    return FeatureTable(names);
}

static auto state_of(const FeatureTable& table) {
    std::vector<char> bytes;
    std::vector<uint32_t> lengths;
    for (size_t i = 0; i < table.size(); ++i) {
        bytes.insert(bytes.end(), table[i].begin(), table[i].end());
        lengths.push_back(static_cast<uint32_t>(table[i].size()));
    }
    return std::make_pair(nb::bytes(bytes.data(), bytes.size()), to_numpy(std::move(lengths)));
}

static void restore(FeatureTable& table, std::pair<nb::bytes, In<uint32_t>> state) {
    auto& [bytes, lengths] = state;
    Names names;
    size_t begin = 0;
    for (size_t i = 0; i < lengths.size(); begin += lengths.data()[i++]) {
        const size_t length = lengths.data()[i];
        require(begin + length <= bytes.size(), "the names are cut off");
        const char* name = bytes.c_str() + begin;
        if (!nb::steal(PyUnicode_DecodeUTF8(name, length, nullptr)).is_valid()) throw nb::python_error();
        names.add({name, length});
    }
    FeatureTable read(names);
    require(begin == bytes.size() && read.size() == names.size(), "the names are not those of distinct features");
    new (&table) FeatureTable(std::move(read));
}

template <class T>
static void bind_rows(nb::module_& m, const std::string& suffix) {
    m.def(("learn" + suffix).c_str(), &learn<T>, "table"_a, "X"_a);
    m.def(("look_up" + suffix).c_str(), &look_up<T>, "table"_a, "X"_a);
    m.def(("transform" + suffix).c_str(), &transform<T>, "table"_a, "X"_a, "keys"_a);
    m.def(("hashed" + suffix).c_str(), &hashed<T>, "n_features"_a, "X"_a);
    m.def(("canonical" + suffix).c_str(), &canonical<T>, array("data"), array("indices"), array("indptr"),
          array("column") = nb::none());
}

NB_MODULE(_features, m) {
    nb::set_leak_warnings(false);  // what Python still holds when it exits is its own affair
    nb::class_<FeatureTable>(m, "FeatureTable")
        .def(nb::init<>())
        .def("__len__", &FeatureTable::size)
        .def("names", &names_of)
        .def("reordered", &reordered, array("column"), "n_columns"_a)
        .def("__getstate__", &state_of)
        .def("__setstate__", &restore);
    bind_rows<float>(m, "F32");
    bind_rows<double>(m, "F64");
    bind_token_columns(m);
    m.def("frequency_order", &columns_by_frequency, array("indices"), array("indptr"), "n"_a, "min_count"_a);
    m.def("gather", &gather, array("lengths"), "parts"_a);
}
