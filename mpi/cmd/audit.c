/* karma audit: is an audit log what karma serve wrote, and does the policy decide so again? */
#include "core/transfer/audit.h"
#include "core/base/log.h"
#include "core/base/plural.h"
#include "mpi/cmd/commands.h"
#include "mpi/jobs/serve_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct options {
    const char *head, *policy;
};

static const struct option_row rows[] = {
    OPTION_STRING(struct options, head, "head", 0, "SHA256",
                  "digest of a record that must be in the log, as noted when it was the newest: "
                  "finds a log that was cut or written anew"),
    OPTION_STRING(struct options, policy, "policy", 'p', "RUN",
                  "also make every decision again, with the policy of this training run, and "
                  "compare it byte by byte"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"FILE", "an audit log, e.g. results/runs/quickstart/serve/audit.jsonl", 1, 1},
    OPERAND_END,
};
static const struct command_line verify_line = {
    "karma audit verify",
    "Checks that every record of an audit log is as it was written and in its place, and names the "
    "first byte that is not. The digest that it prints is that of the newest record: note it where "
    "nobody who can write the log can write, and give it with --head the next time.",
    rows, operand_rows, sizeof(struct options)};

/* What was found in a log. */
struct found {
    int64_t n_decisions, n_starts, torn;
    bool has_head;
    struct serve_verify *check; /* NULL: decisions are not made again */
};

static enum err read_log(struct found *f, struct audit_reader *r, const char *head)
{
    struct audit_record record;
    enum audit_status status = AUDIT_RECORD;
    while (status == AUDIT_RECORD) {
        TRY(audit_read_next(r, &record, &status));
        if (status == AUDIT_RECORD) {
            f->n_decisions += strcmp(record.kind, "decision") == 0;
            f->n_starts += strcmp(record.kind, "start") == 0;
            f->has_head = f->has_head || (head != NULL && strcmp(r->head, head) == 0);
            TRY(f->check != NULL ? serve_verify_next(f->check, &record) : ERR_OK);
        }
    }
    if (f->check != NULL) {
        serve_verify_end(f->check);
    }
    f->torn = status == AUDIT_TORN ? (int64_t)(r->text.len - r->at) : 0;
    return ERR_OK;
}

static enum err judge(const struct found *f, const struct audit_reader *r, const char *head)
{
    printf("%s: %" PRId64 " record%s, %" PRId64 " decision%s in %" PRId64
           " run%s: each is as it was written\nhead %s\n",
           r->path, r->n, plural_s(r->n), f->n_decisions, plural_s(f->n_decisions), f->n_starts,
           plural_s(f->n_starts), r->head);
    if (f->check != NULL) {
        printf("%" PRId64 " of %" PRId64 " decision%s come out the same, byte by byte\n",
               f->check->n_same, f->n_decisions, plural_s(f->n_decisions));
        if (f->check->n_results + f->check->n_unknown > 0) {
            printf("results of writes that belong to their decisions: %" PRId64
                   "; decisions without a result, because the process ended before: %" PRId64 "\n",
                   f->check->n_results, f->check->n_unknown);
        }
    }
    if (f->torn > 0) {
        log_warn("%s: half a record of %" PRId64 " bytes stands behind them, from byte %" PRId64
                 " on: the process was killed while it wrote it, or is writing it; it does not "
                 "count",
                 r->path, f->torn, r->offset);
    }
    if (r->n == 0) {
        log_error("%s: no record", r->path);
        return ERR_FORMAT;
    }
    if (head != NULL && !f->has_head) {
        log_error("%s: no record has the digest %s: the log was cut before it, or written anew",
                  r->path, head);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

static enum err check_head(const struct call *c, const char *head)
{
    const bool right = head == NULL || (strlen(head) == SHA256_HEX - 1 &&
                                        strspn(head, "0123456789abcdef") == SHA256_HEX - 1);
    return right ? ERR_OK
                 : command_misused(
                       c, "--head %s is no SHA-256: it has 64 of the digits 0-9 and a-f", head);
}

static enum err run_verify(const struct call *c)
{
    const struct options *o = c->options;
    struct audit_reader r;
    struct serve_verify check;
    struct found f = {.check = o->policy != NULL ? &check : NULL};
    TRY(check_head(c, o->head));
    TRY(audit_reader_open(&r, c->operands[0]));
    r.search = true;
    serve_verify_init(&check, o->policy);
    enum err e = read_log(&f, &r, o->head);
    if (e == ERR_OK) {
        e = judge(&f, &r, o->head);
    } else if (r.n > 0) {
        log_info("%s: the first %" PRId64 " record%s %s as written", r.path, r.n, plural_s(r.n),
                 r.n == 1 ? "is" : "are");
    }
    serve_verify_release(&check);
    audit_reader_close(&r);
    return e;
}

static enum err audit_verify(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&verify_line, &o, run_verify, argc, argv);
}

const struct command audit_verbs[] = {
    {.name = "verify", .summary = "find the first changed byte", .run = audit_verify},
    {.name = NULL},
};
