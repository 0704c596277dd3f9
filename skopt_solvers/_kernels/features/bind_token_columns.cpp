// Reads tokens that are words or tuples of strings.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bind_arrays.hpp"
#include "features/bind_tokens.hpp"
#include "features/feature_table.hpp"
#include "features/names.hpp"
#include "features/rows.hpp"
#include "features/word_names.hpp"

using namespace nb::literals;

// Keeps the distinct strings of a column, and the number of each token's one.
class TokenColumn {
public:
    // Reads the string x of the column at `place`.
    void read(PyObject* x, size_t place, const Position& at) {
        if (!PyUnicode_Check(x)) {
            at.refuse((place ? ": column " + std::to_string(place) : ": the word") + " must be a string, got " +
                      type_name(x));
        }
        nb::object exact = nb::steal(PyUnicode_FromObject(x));  // whose hash and equality run no foreign code
        if (!exact.is_valid()) throw nb::python_error();
        x = exact.ptr();
        PyObject* number = PyDict_GetItemWithError(numbers_.ptr(), x);
        if (!number && PyErr_Occurred()) throw nb::python_error();
        values_.push_back(static_cast<int32_t>(number ? PyLong_AsLong(number) : static_cast<long>(nb::len(strings_))));
        if (number) return;
        if (!PyUnicode_IS_ASCII(x) && !nb::steal(PyUnicode_AsUTF8String(x)).is_valid()) {
            PyErr_Clear();
            at.refuse(": a string holds a lone surrogate, which is not text");
        }
        numbers_[nb::handle(x)] = nb::int_(values_.back());
        strings_.append(nb::handle(x));
    }

    size_t size() const { return values_.size(); }
    nb::tuple release() { return nb::make_tuple(strings_, to_numpy(std::move(values_))); }

private:
    nb::dict numbers_;
    nb::list strings_;
    std::vector<int32_t> values_;
};

// Returns the string that is the attribute `text` of a token of a parsed document; nothing where there is none.
static nb::object word_of(PyObject* token) {
    nb::object text = nb::steal(PyObject_GetAttrString(token, "text"));
    if (text.is_valid()) return PyUnicode_Check(text.ptr()) ? text : nb::object();
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) throw nb::python_error();
    PyErr_Clear();
    return text;
}

static void read_token(PyObject* token, std::vector<TokenColumn>& columns, const Position& at) {
    bool word = PyUnicode_Check(token), tuple = PyTuple_Check(token) || PyList_Check(token);
    nb::object held = tuple ? unshared(token) : nb::borrow(token);
    if (!word && !tuple) {
        held = word_of(token);
        word = held.is_valid();
        if (!word) {
            at.refuse(std::string(": a token must be a word, a tuple of strings that begins with the word, or an "
                                  "object with a text, got ") +
                      type_name(token));
        }
    }
    token = held.ptr();
    size_t width = word ? 1 : PySequence_Fast_GET_SIZE(token);
    if (columns.empty()) columns.resize(width);
    if (width == 0 || width != columns.size()) {
        at.refuse(" has " + std::to_string(width) + " columns where those before it have " +
                  std::to_string(columns.size()));
    }
    for (size_t i = 0; i < width; ++i) columns[i].read(word ? token : PySequence_Fast_GET_ITEM(token, i), i, at);
}

// Returns the numbers of tokens, and for each column of the tokens, words or tuples of strings, what it holds.
static auto distinct_columns(nb::list X) {
    std::vector<TokenColumn> columns;
    Position at;
    auto lengths =
        each_token(X, "words or of tuples of strings", at, [&](PyObject* token) { read_token(token, columns, at); });
    check_entries(columns.empty() ? 0 : columns[0].size());
    nb::list result;
    for (auto& column : columns) result.append(column.release());
    return std::make_pair(to_numpy(std::move(lengths)), result);
}

constexpr size_t kWords = 64;  // that are looked up together

// Returns the numbers of the features of each word, as rows. `others` names those of a word that is not ASCII.
static auto word_rows(const FeatureTable& table, nb::list words, bool lowercase, bool itself, bool flags, bool shape,
                      const std::vector<int64_t>& prefixes, const std::vector<int64_t>& suffixes, nb::callable others) {
    WordNames ascii(lowercase, itself, flags, shape, prefixes, suffixes);
    Names names;
    std::vector<int32_t> indptr{0}, indices, numbers;
    std::vector<uint64_t> hashes;
    std::vector<size_t> ends;  // of the names of each word that is not looked up yet
    auto look_up = [&] {       // of many words at once, so that the table is called from memory early
        numbers.resize(names.size());
        table.find(names, numbers.data(), hashes);
        size_t i = 0;
        for (size_t end : ends) {
            for (; i < end; ++i)
                if (numbers[i] >= 0) indices.push_back(numbers[i]);
            check_entries(indices.size());
            indptr.push_back(static_cast<int32_t>(indices.size()));
        }
        names.clear();
        ends.clear();
    };
    nb::object held = unshared(words.ptr());
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(held.ptr()); ++i) {
        nb::object word = nb::borrow(PySequence_Fast_GET_ITEM(held.ptr(), i));
        require(PyUnicode_Check(word.ptr()), "words must be strings");
        if (PyUnicode_IS_COMPACT_ASCII(word.ptr())) {
            const auto* text = static_cast<const char*>(PyUnicode_DATA(word.ptr()));
            ascii.add({text, static_cast<size_t>(PyUnicode_GET_LENGTH(word.ptr()))}, names);
        } else {
            for (const auto& name : nb::cast<std::vector<std::string>>(others(word)))
                if (!name.empty()) names.add(name);
        }
        ends.push_back(names.size());
        if (ends.size() == kWords) look_up();
    }
    look_up();
    return std::make_pair(to_numpy(std::move(indptr)), to_numpy(std::move(indices)));
}

void bind_token_columns(nb::module_& m) {
    m.def("distinct_columns", &distinct_columns, "X"_a);
    m.def("word_rows", &word_rows, "table"_a, "words"_a, "lowercase"_a, "itself"_a, "flags"_a, "shape"_a, "prefixes"_a,
          "suffixes"_a, "others"_a);
}
