/* The audit log of a serve: DIR/audit.jsonl, in the form of core/transfer/audit.h.
 *
 *   start      when a serve begins: the digest of the weights, the stage, the complete
 *              configuration, digests of the twin and of the traces
 *   decision   before anything is written to the cluster. What it was made from: time, clock, every
 *              value of the state with its age. What was made of it: who decides and why, distance
 *              and score, the choice of the agents (and the one without masks), the proposal, what
 *              the shield leaves of it, with its reasons and what it overruled, what the stage
 *              leaves of that
 *   result     of a stage that writes: what became of each write, and the changes that count as
 *              written
 *
 * So every decision since a start can be made again: the same policy gets the same values in the
 * same order and must come to the same record, byte by byte. That is what verifying does. What is
 * not in a record is not verified: that the measurements were right.
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
    bool decided; /* since the start */
    int64_t n_same, n_other;
};

/* For the records of a log, in order; run: of the policy. ERR_MISMATCH, with the sentence, for a
 * start with other weights than those of `run`, another twin or traces; for a decision that comes
 * out otherwise, with the first byte that differs. After an error only the release. */
void serve_verify_init(struct serve_verify *c, const char *run);
enum err serve_verify_next(struct serve_verify *c, const struct audit_record *record) WARN_UNUSED;
void serve_verify_release(struct serve_verify *c);

#endif
