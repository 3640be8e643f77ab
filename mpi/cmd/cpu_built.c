/* The instruction sets this build uses, told by the compiler's own macros. Data only: it is read by
 * cpu_check(), which runs before any instruction of those sets may be executed.
 */
#include "mpi/cmd/cpu_check.h"

/* The preprocessor cannot test a macro inside a macro: an undefined __AVX2__ keeps its name as a
 * string, a defined one becomes "1".
 */
#define TEXT_(x)              #x
#define TEXT(x)               TEXT_(x)
#define DEFINED_(macro, name) TEXT(__##macro##__)[0] == '1',

const unsigned char cpu_built_for[] = {CPU_FEATURES(DEFINED_)};
