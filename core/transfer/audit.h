/* The audit log: what was decided, from which values, and what became of it, in a file that shows
 * when somebody changes it.
 *
 * A record is a line of JSON:
 *
 *     {"n":17,"kind":"decision", ... ,"sha256":"64 hexadecimal digits"}
 *
 * n counts from 0. The digest is SHA-256 of the digest of the record before (its digits; 64 zeros
 * before record 0) and of all bytes of the line that stand before ,"sha256". So each digest
 * confirms all records before it (S. Haber and W. S. Stornetta, "How to time-stamp a digital
 * document", J. Cryptology 3, 1991). A changed byte, a record that was removed, added or moved, is
 * found. Not found is what the chain cannot know: that records are missing at the end, or that
 * somebody wrote the whole file anew. For these the newest digest, the *head*, must be kept where
 * whoever changes the file cannot write.
 *
 * Numbers that take part in decisions are texts of hexadecimal floats ("0x1.8p+1", "inf", "nan"):
 * they read back as the same bits. Texts are JSON texts, in which every quote is escaped, so
 * ,"sha256":" stands in a line once.
 *
 * A record is one write() and one fsync(). A process that is killed leaves whole records and at
 * most one half line, which does not count: it never had its line end. audit_open() cuts it off and
 * says so. An error while writing takes the half line back; if that fails too, no further record is
 * written.
 *
 * Local: one process writes, others may read.
 */
#ifndef KARMA_TRANSFER_AUDIT_H
#define KARMA_TRANSFER_AUDIT_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/sha256.h"

#include <stdbool.h>
#include <stdint.h>

/* Longest line, bytes: a longer one is damage, or a file of something else. */
enum { AUDIT_LINE_MAX = 16 << 20, AUDIT_KIND_BYTES = 32 };

/* ---- writing ---- */

struct audit {
    int fd;                /* -1: closed */
    const char *path;      /* in the arena */
    int64_t n;             /* number of the next record */
    int64_t bytes;         /* length of the file */
    int64_t n_cut;         /* bytes of a half line that audit_open() cut off */
    char head[SHA256_HEX]; /* digest of the newest record */
    struct buf line;       /* owned */
    enum err failed;       /* first failure inside the record, or of the file */
};

/* Continues a file, or makes it. All its records are checked first: ERR_MISMATCH or ERR_FORMAT,
 * with the sentence of audit_read_next() and what to do, if one is not what was written. */
enum err audit_open(struct audit *a, struct arena *arena, const char *path) WARN_UNUSED;
void audit_close(struct audit *a);

/* A record: begin, fields in any number, end. Keys and kind are names of ours (letters, digits,
 * underscores). Failures are kept until the end. Bytes of a text that are not UTF-8 become U+FFFD.
 */
void audit_begin(struct audit *a, const char *kind);
void audit_text(struct audit *a, const char *key, const char *text);
void audit_int(struct audit *a, const char *key, int64_t value);
void audit_double(struct audit *a, const char *key, double value);
void audit_floats(struct audit *a, const char *key, const float *values, int n);
void audit_ints(struct audit *a, const char *key, const int32_t *values, int n);
/* Words of bits as texts of hexadecimal digits: "key":["1f","7"]. */
void audit_bits(struct audit *a, const char *key, const uint32_t *words, int n);
/* "key":[ "a", "b", ... ] */
void audit_texts(struct audit *a, const char *key, const char *const *texts, int n);
/* The record is on the disk when this returns ERR_OK. */
enum err audit_end(struct audit *a) WARN_UNUSED;

/* Only the fields, for comparing: puts what audit_begin() and the fields have made so far into
 * `out` (appended) instead of the file; n and head stay. */
enum err audit_preview(struct buf *out, struct audit *a) WARN_UNUSED;
/* For that: no file. */
void audit_init_preview(struct audit *a);

/* ---- reading ---- */

struct audit_reader {
    const char *path; /* borrowed; for messages */
    int fd;           /* -1: everything is in `text` */
    struct buf text;  /* owned: the current line and what was read behind it */
    size_t at;        /* where the next line begins in it */
    int64_t offset;   /* of text.data[at] in the file */
    bool ended;       /* nothing is left to be read */
    bool search;      /* set it to look for a changed byte in a record: may take a minute */
    int64_t n;        /* records that were read and are right */
    char head[SHA256_HEX];
};

/* Of a record; valid until the next call with its reader. */
struct audit_record {
    const char *body; /* from { to before ,"sha256" */
    size_t n_body;
    int64_t number, offset; /* offset: of its first byte in the file */
    char kind[AUDIT_KIND_BYTES];
};

enum audit_status {
    AUDIT_RECORD,
    AUDIT_END, /* after the last record */
    AUDIT_TORN /* so are the last bytes, but a line that has no end follows: r->offset */
};

enum err audit_reader_open(struct audit_reader *r, const char *path) WARN_UNUSED;
/* The same of bytes in memory, which are copied. */
enum err audit_reader_over(struct audit_reader *r, const char *name, const void *bytes,
                           size_t n) WARN_UNUSED;
void audit_reader_close(struct audit_reader *r);

/* The next record. ERR_MISMATCH: it is not what was written, or not in its place; the sentence
 * names record and bytes: the very byte if it is the only one that was changed, and stands in the
 * frame of a record, or `search` is set and the record has at most AUDIT_SEARCH_MAX bytes; else
 * those of the record. ERR_FORMAT: no audit log. */
enum { AUDIT_SEARCH_MAX = 16384 };
enum err audit_read_next(struct audit_reader *r, struct audit_record *out,
                         enum audit_status *status) WARN_UNUSED;

/* Fields of a record: false if there is none of that key and type, or not as many as n. */
bool audit_get_int(int64_t *out, const struct audit_record *r, const char *key);
bool audit_get_double(double *out, const struct audit_record *r, const char *key);
bool audit_get_floats(float *out, int n, const struct audit_record *r, const char *key);
bool audit_get_ints(int32_t *out, int n, const struct audit_record *r, const char *key);
/* Appends the text and a NUL. */
bool audit_get_text(struct buf *out, const struct audit_record *r, const char *key);
/* Appends n texts, each with a NUL. */
bool audit_get_texts(struct buf *out, int n, const struct audit_record *r, const char *key);

/* ---- between the files of the module ---- */

/* Digest of a body behind the record whose digest is `head`. */
void audit_digest(char out[SHA256_HEX], const char *head, const char *body, size_t n_body);

/* Where the first changed byte of a line is, of which only one can be: body (n_body) with the
 * digest `sealed` behind `head` was one byte different. *was: what stood there. False: no single
 * byte explains it. */
bool audit_find_byte(size_t *at, unsigned char *was, const char *head, const char *sealed,
                     const char *body, size_t n_body);

extern const char audit_seal[]; /* ,"sha256":" */

#endif
