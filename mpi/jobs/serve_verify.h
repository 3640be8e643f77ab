/* The audit log of a serve: DIR/audit.jsonl, in the form of core/transfer/audit.h.
 *
 *   start      when a serve begins: the digest of the weights, the stage, the complete
 *              configuration, digests of the twin and of the traces
 *   decision   before anything is written to the cluster. What it was made from: time, clock, every
 *              value of the state with its age. What was made of it: who decides and why, distance
 *              and score, the masks of the agents, their choice (and the one without masks), the
 *              proposal, what the shield leaves of it, with its reasons and what it overruled, what
 *              the stage leaves of that
 *   result     of a stage that writes: what became of each write, and the changes that count as
 *              written
 *
 * So every decision since a start can be made again, in each stage: the same policy gets the same
 * values in the same order and must come to the same record, byte by byte. Of a result only the
 * answers of the API server are taken from the record; they must belong to the changes that the
 * decision wanted to write, and what counts as written follows from them. What is not in a record
 * is not verified: that the measurements and the answers were right.
 */
#ifndef KARMA_JOBS_SERVE_VERIFY_H
#define KARMA_JOBS_SERVE_VERIFY_H

#include "mpi/jobs/serve.h"

/* What verifying finds. */
struct serve_verify {
    struct serve *s; /* of the newest start; NULL: none yet */
    struct plant *plant;
    const char *run;
    struct arena arena;
    bool decided;      /* since the start */
    bool pending;      /* the newest decision has no result yet, and its stage writes */
    int64_t n_same;    /* decisions that came out the same */
    int64_t n_results; /* results that did */
    int64_t n_unknown; /* decisions of a stage that writes, without a result: the process ended */
};

/* For the records of a log, in order; run: of the policy. ERR_MISMATCH, with the sentence, for a
 * start with other weights than those of `run`, another twin or traces; for a decision or a result
 * that comes out otherwise, with the first byte that differs; for a result that is missing between
 * two decisions. ERR_VERSION for a log of another format. After an error only the release. */
void serve_verify_init(struct serve_verify *c, const char *run);
enum err serve_verify_next(struct serve_verify *c, const struct audit_record *record) WARN_UNUSED;
/* After the last record: counts a decision whose result did not come. */
void serve_verify_end(struct serve_verify *c);
void serve_verify_release(struct serve_verify *c);

#endif
