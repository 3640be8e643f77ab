/* The registry of karma_extra, in place of core/methods/kinds.c: one line more. */
#include "core/methods/kinds.h"

extern const struct method_kind method_bandit;

const struct cfg_kind *const method_kinds[] = {METHOD_KINDS(METHOD_ELEMENT) METHOD_ELEMENT(bandit)
                                                   NULL};
