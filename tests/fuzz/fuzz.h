/* What a program of tests/fuzz/ is made of: one reader, and what must hold whatever bytes it gets.
 *
 * fuzz.c drives a reader for libFuzzer (make fuzz) and, with replay.c, from files (make test).
 * After every input it checks
 *
 *   memory   reading n bytes asked for at most `fixed` + `each` * n bytes (mem_bytes())
 *   words    an error came with a sentence that names the source
 *   output   readers with `encode`: on an error the output is what it was before; else what is
 *            written from it reads back, and is then written as the same bytes
 *            the others: whatever their `check` says
 *
 * and that nothing crashed, overran or leaked is checked by the sanitizers.
 */
#ifndef KARMA_TESTS_FUZZ_H
#define KARMA_TESTS_FUZZ_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>
#include <stdint.h>

struct fuzz_reader {
    size_t fixed, each;
    /* Make the output that read() overwrites; everything in the arena. The values depend on the
     * variant, 0 .. n_variants-1, their shapes do not. */
    enum err (*begin)(struct arena *arena, int variant);
    int n_variants; /* 0 counts as 1 */
    enum err (*read)(const unsigned char *bytes, size_t n, struct arena *scratch);
    /* The output as one frame, whose payload is what read() takes; appended. Or NULL and ... */
    enum err (*encode)(struct buf *out);
    /* ... a check of its own, and seeds of its own: calls of fuzz_seed(). */
    void (*check)(const unsigned char *bytes, size_t n, enum err e);
    void (*seeds)(void);
};

/* Defined by each program. */
extern const struct fuzz_reader fuzz_reader;

/* The name of the bytes in messages. */
const char *fuzz_source(void);

/* The bytes as a file that is never on a disk; its path is fuzz_source(). */
void fuzz_to_file(const unsigned char *bytes, size_t n);
/* What is in that file now, appended. */
void fuzz_from_file(struct buf *out);

/* For a `check`: what read() made of its bytes, encoded anew as `first`, is read by `recode` and
 * encoded as the same bytes. Releases `first`. */
void fuzz_check_recoded(struct buf *first,
                        enum err (*recode)(struct buf *out, const unsigned char *bytes, size_t n,
                                           struct arena *arena));

/* Write one file of the corpus. */
void fuzz_seed(const void *bytes, size_t n);

/* What libFuzzer calls; replay.c does, too. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#endif
