// Python's strings as documents, and tables of characters made from the running
// interpreter.
#pragma once
#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "features/text_analyzer.hpp"
#include "features/text_characters.hpp"

namespace nb = nanobind;

// A table of characters that fills itself with what Python says of them.
class Characters {
public:
    // `runs` is a compiled regular expression of runs of the class of tokens;
    // None where there are no tokens.
    Characters(bool lower, nb::object runs);

    std::shared_ptr<const CharacterTable> table() const { return table_; }

    // Make what is needed for a text; whether its lower case is that of its
    // characters.
    bool prepare(const Text& text);

private:
    bool lower_;
    nb::object runs_;
    std::shared_ptr<CharacterTable> table_ = std::make_shared<CharacterTable>();
    std::vector<uint32_t> special_;

    void fill(size_t plane);
    std::vector<bool> token_class(size_t plane) const;
};

// How documents become texts, with functions of Python's where need be.
struct Source {
    bool decodes;        // `decode` for every document, not only for what is no string
    bool prepares;       // `prepare` for every text, not only for what `decode` did not
                         // make one
    bool prepares_wide;  // and for every text that is not ASCII
    bool tokenizes;      // `prepare` for every document as it is, which gives a list
                         // of strings
    nb::object decode, prepare;
};

// Tokens that the compiled analyzer cannot count: Python's dict can.
struct NotStrings : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

// Some documents, and what keeps their characters.
class Batch {
public:
    Batch(const Source& source, Characters& characters, Characters& as_is, bool lower)
        : source_(source), characters_(characters), as_is_(as_is), lower_(lower) {}

    const std::vector<Document>& documents() const { return documents_; }
    size_t n_characters() const { return n_characters_; }
    void add(nb::object document);
    void clear();

private:
    const Source& source_;
    Characters &characters_, &as_is_;
    bool lower_;
    std::vector<Document> documents_;
    std::vector<nb::object> held_;
    std::deque<Spans> tokens_;
    size_t n_characters_ = 0;

    void add_text(nb::object text, bool prepared);
    void add_tokens(nb::object tokens);
};

Text text_of(PyObject* string);

// A string as UTF-8 with three bytes for a surrogate, with room for more after
// it; the number of its bytes.
size_t encode(PyObject* string, std::vector<uint8_t>& out);
nb::object decoded(const char* bytes, size_t n);
