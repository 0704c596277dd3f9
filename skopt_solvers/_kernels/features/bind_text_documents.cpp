#include "features/bind_text_documents.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <string>

#include <nanobind/stl/string.h>

Text text_of(PyObject* string) {
    return {PyUnicode_DATA(string), static_cast<size_t>(PyUnicode_GET_LENGTH(string)),
            static_cast<int>(PyUnicode_KIND(string)), static_cast<bool>(PyUnicode_IS_ASCII(string))};
}

size_t encode(PyObject* string, std::vector<uint8_t>& out) {
    Text text = text_of(string);
    out.resize(4 * text.length + kSlack);
    uint8_t* end = out.data();
    of_width(text, [&](auto* in) {
        for (size_t i = 0; i < text.length; ++i) end = put_utf8(in[i], end);
    });
    std::memset(end, 0, kSlack);
    return end - out.data();
}

nb::object decoded(const char* bytes, size_t n) {
    PyObject* string;
    if (std::all_of(bytes, bytes + n, [](char c) { return !(c & 0x80); })) {
        string = PyUnicode_New(n, 127);
        if (string) std::memcpy(PyUnicode_DATA(string), bytes, n);
    } else {
        string = PyUnicode_DecodeUTF8(bytes, n, "surrogatepass");
    }
    if (!string) throw nb::python_error();
    return nb::steal(string);
}

static std::string type_of(nb::handle object) { return nb::cast<std::string>(object.type().attr("__name__")); }

Characters::Characters(bool lower, nb::object runs) : lower_(lower), runs_(std::move(runs)) {
    if (!runs_.is_none() && !nb::hasattr(runs_, "finditer"))
        throw nb::type_error(("runs must be a compiled regular expression or None, got " + type_of(runs_)).c_str());
}

bool Characters::prepare(const Text& text) {
    unsigned planes = 1;
    if (text.width == 4) {
        auto* in = static_cast<const uint32_t*>(text.data);
        for (size_t i = 0; i < text.length; ++i) planes |= 1u << (in[i] >> 16);
    }
    for (size_t plane = 0; plane < kPlanes; ++plane)
        if (planes >> plane & 1) fill(plane);
    if (!lower_ || text.width == 1) return true;
    return of_width(text, [&](auto* in) {
        unsigned found = 0;
        for (uint32_t special : special_)
            for (size_t i = 0; i < text.length; ++i) found |= in[i] == special;
        return !found;
    });
}

// The lower case of one character where that is one character, whatever stands
// beside it.
static std::optional<uint32_t> lower_of(uint32_t c) {
    if (c == 0x3A3) return std::nullopt;  // sigma: at the end of a word another
    if (Py_UNICODE_TOLOWER(c) == c) return c;
    nb::object string = nb::steal(PyUnicode_FromOrdinal(c));
    if (!string.is_valid()) throw nb::python_error();
    nb::object lowered = string.attr("lower")();
    if (PyUnicode_GET_LENGTH(lowered.ptr()) != 1) return std::nullopt;
    return PyUnicode_READ_CHAR(lowered.ptr(), 0);
}

// By `re` itself: which characters of a plane the runs in a text of all of them
// hold.
std::vector<bool> Characters::token_class(size_t plane) const {
    std::vector<uint32_t> codes(kPlane);
    std::iota(codes.begin(), codes.end(), static_cast<uint32_t>(plane * kPlane));
    nb::object text = nb::steal(PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, codes.data(), kPlane));
    if (!text.is_valid()) throw nb::python_error();
    std::vector<bool> flags(kPlane);
    for (nb::handle run : runs_.attr("finditer")(text)) {
        auto begin = nb::cast<size_t>(run.attr("start")()), end = nb::cast<size_t>(run.attr("end")());
        if (begin > end || end > kPlane)
            throw nb::value_error(("runs must find parts of a text of " + std::to_string(kPlane) +
                                   " characters, got one from " + std::to_string(begin) + " to " + std::to_string(end))
                                      .c_str());
        std::fill(flags.begin() + begin, flags.begin() + end, true);
    }
    return flags;
}

void Characters::fill(size_t plane) {
    if (table_->has(plane)) return;
    std::vector<bool> classes[kPlanes];
    const auto is_token = [&](uint32_t c) {
        auto& flags = classes[c >> 16];
        if (flags.empty()) flags = token_class(c >> 16);
        return flags[c & 0xFFFF];
    };
    std::vector<uint32_t> entries(kPlane), special;
    for (uint32_t c = static_cast<uint32_t>(plane * kPlane), i = 0; i < kPlane; ++c, ++i) {
        std::optional<uint32_t> lower = lower_ ? lower_of(c) : c;
        if (!lower) special.push_back(c);
        uint32_t code = lower.value_or(c), entry = code;
        if (!runs_.is_none() && is_token(code)) entry |= CharacterTable::kToken;
        if (Py_UNICODE_ISALNUM(code) || code == '_') entry |= CharacterTable::kWord;
        if (Py_UNICODE_ISSPACE(code)) entry |= CharacterTable::kSpace;
        entries[i] = entry;
    }
    if (table_->has(plane)) return;  // another thread was faster
    for (uint32_t c : special)
        if (std::find(special_.begin(), special_.end(), c) == special_.end()) special_.push_back(c);
    table_->fill(plane, std::move(entries));
}

void Batch::clear() {
    documents_.clear();
    held_.clear();
    tokens_.clear();
    n_characters_ = 0;
}

void Batch::add(nb::object document) {
    if (source_.tokenizes) return add_tokens(source_.prepare(document));
    if (source_.decodes || !PyUnicode_Check(document.ptr())) document = source_.decode(document);
    bool text = PyUnicode_Check(document.ptr());
    bool prepares = !text || source_.prepares || (source_.prepares_wide && !PyUnicode_IS_ASCII(document.ptr()));
    if (prepares) {
        document = source_.prepare(document);
        if (!PyUnicode_Check(document.ptr()))
            throw nb::type_error("expected string or bytes-like object");  // as re's functions say
    }
    add_text(std::move(document), prepares);
}

void Batch::add_text(nb::object string, bool prepared) {
    Text text = text_of(string.ptr());
    bool lowered = (prepared ? as_is_ : characters_).prepare(text);
    if (!prepared && !lowered) {
        nb::object lower = string.attr("lower")();  // of a subclass it may be anything
        if (!PyUnicode_Check(lower.ptr()))
            throw nb::type_error(("lower() of a document must return a str, got " + type_of(lower)).c_str());
        return add_text(std::move(lower), true);
    }
    documents_.push_back({text, prepared, nullptr});
    held_.push_back(std::move(string));
    n_characters_ += text.length;
}

void Batch::add_tokens(nb::object tokens) {
    PyObject* list = tokens.ptr();
    if (!PyList_CheckExact(list) && !PyTuple_CheckExact(list)) throw NotStrings("tokens are in no list");
    Spans& spans = tokens_.emplace_back();
    std::vector<uint8_t> text;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); ++i) {
        PyObject* token = PySequence_Fast_GET_ITEM(list, i);
        if (!PyUnicode_CheckExact(token))  // one of a subclass may have another hash
            throw NotStrings("a token is no string");
        size_t n = encode(token, text);
        if (spans.text.size() + n > UINT32_MAX / 2) throw std::length_error("a document of more than 2**31 bytes");
        spans.surrogates = spans.surrogates || find_surrogate(text.data(), n) < n;
        spans.parts.push_back({static_cast<uint32_t>(spans.text.size()), static_cast<uint32_t>(n)});
        spans.text.insert(spans.text.end(), text.data(), text.data() + n);
        spans.text.push_back(' ');
    }
    n_characters_ += spans.text.size();
    spans.text.resize(spans.text.size() + kSlack);
    documents_.push_back({{}, true, &spans});
}
