/* Errors: names and sentences generated from ERR_LIST, and the end of a failed CHECK. */
#include "core/base/err.h"

#include "core/base/log.h"

#include <stddef.h>
#include <stdlib.h>

#define ERR_NAME_(name, exit_code, text) #name,
#define ERR_TEXT_(name, exit_code, text) text,
#define ERR_EXIT_(name, exit_code, text) exit_code,

/* Three arrays from one list: name, sentence and exit code of an error cannot get out of step. */
static const char *const err_names[ERR_COUNT] = {ERR_LIST(ERR_NAME_)};
static const char *const err_texts[ERR_COUNT] = {ERR_LIST(ERR_TEXT_)};
static const int err_exits[ERR_COUNT] = {ERR_LIST(ERR_EXIT_)};

/* Process state by nature, like the log's: set once at start, read when everything is lost. */
static void (*check_hook)(void);

/* A code may arrive from another process as a number, so an unknown one is expected trouble. */
static int err_known(enum err e)
{
    return (unsigned)e < (unsigned)ERR_COUNT;
}

const char *err_name(enum err e)
{
    return err_known(e) ? err_names[e] : "ERR_UNKNOWN";
}

const char *err_text(enum err e)
{
    return err_known(e) ? err_texts[e] : "an unknown error";
}

int err_exit_code(enum err e)
{
    return err_known(e) ? err_exits[e] : 1;
}

void check_set_hook(void (*hook)(void))
{
    check_hook = hook;
}

_Noreturn void check_failed(const char *file, int line, const char *cond)
{
    log_error("%s:%d: CHECK(%s) failed; this is a bug, please report this line", file, line, cond);
    void (*hook)(void) = check_hook;
    check_hook = NULL; /* a CHECK that fails inside the hook must not come back here */
    if (hook != NULL) {
        hook();
    }
    abort();
}
