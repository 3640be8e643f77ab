/* Errors: one list makes the enum, the names and the sentences, so they cannot disagree.
 *
 * A function that can fail returns `enum err` and writes its outputs only on success. The first
 * function that notices logs the cause with log_error() (file, place, remedy); everybody above only
 * passes the code on with TRY(). Nothing in core/ or proto/ ever exits.
 */
#ifndef KARMA_BASE_ERR_H
#define KARMA_BASE_ERR_H

/*      code           exit  meaning */
#define ERR_LIST(X)                                                                                \
    X(ERR_OK, 0, "success")                                                                        \
    X(ERR_FAILED, 1, "the run failed")                                                             \
    X(ERR_USAGE, 2, "the command line is wrong")                                                   \
    X(ERR_CONFIG, 2, "the configuration is wrong")                                                 \
    X(ERR_BUSY, 2, "another process owns the files")                                               \
    X(ERR_IO, 1, "a file could not be read or written")                                            \
    X(ERR_FORMAT, 1, "bytes are not what they claim to be")                                        \
    X(ERR_VERSION, 1, "a file or message of another version")                                      \
    X(ERR_MEMORY, 1, "out of memory")                                                              \
    X(ERR_MISMATCH, 1, "two parts that must agree do not")                                         \
    X(ERR_NUMERIC, 1, "a number left its range (NaN or infinity)")                                 \
    X(ERR_REFUSED, 3, "refused by the shield")                                                     \
    X(ERR_PEER, 4, "a peer was lost")                                                              \
    X(ERR_STOPPED, 5, "stopped on request")                                                        \
    X(ERR_SERVER, 1, "a server did not answer, or not as expected")                                \
    X(ERR_DENIED, 1, "a server denied a request")                                                  \
    X(ERR_CONFLICT, 1, "somebody else changed an object in the meantime")

#define ERR_ENUM_(name, exit_code, text) name,
enum err { ERR_LIST(ERR_ENUM_) ERR_COUNT };
#undef ERR_ENUM_

/* "ERR_CONFIG"; static storage. */
const char *err_name(enum err e);

/* A sentence fragment without a full stop; static storage. */
const char *err_text(enum err e);

/* What a process that ends with `e` returns to its shell. */
int err_exit_code(enum err e);

#define WARN_UNUSED __attribute__((warn_unused_result))

/* Pass an error on; the callee has logged it. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum err try_err_ = (call);                                                                \
        if (try_err_ != ERR_OK) {                                                                  \
            return try_err_;                                                                       \
        }                                                                                          \
    } while (0)

/* The same where something must be undone first: the label is named for what it undoes. */
#define TRY_GOTO(err_var, call, label)                                                             \
    do {                                                                                           \
        (err_var) = (call);                                                                        \
        if ((err_var) != ERR_OK) {                                                                 \
            goto label;                                                                            \
        }                                                                                          \
    } while (0)

/* CHECK: a bug of ours; always on, fatal. No side effects inside. Expected trouble (bad file, lost
 * peer, bad config) is never a CHECK. A failed CHECK calls the hook (mpi/ installs one that ends
 * all ranks) and then abort(). VERIFY: the same for costly invariants, in DEV and SAN builds only.
 */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0)) {                                                        \
            check_failed(__FILE__, __LINE__, #cond);                                               \
        }                                                                                          \
    } while (0)
#ifdef KARMA_VERIFY
#define VERIFY(cond) CHECK(cond)
#else
#define VERIFY(cond) ((void)sizeof(cond))
#endif

_Noreturn void check_failed(const char *file, int line, const char *cond);
void check_set_hook(void (*hook)(void));

#endif
