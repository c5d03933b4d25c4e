#!/usr/bin/env bash
# Puts Threads Token Keeper on Google Cloud and looks after it there. `./deploy.sh --help` says how.
#
# The work stands in deploy/, one noun a file. What is declared (rights, roles, the metric, the alerts) stands there as
# documents. Every step looks first, creates what is absent, updates what differs, and says which. So a run that was
# refused half-way is simply run again.
set -euo pipefail
if ((BASH_VERSINFO[0] * 10 + BASH_VERSINFO[1] < 44)); then
  echo "bash 4.4 or newer is needed (macOS: brew install bash)." >&2
  exit 1
fi
shopt -s extglob
shopt -s inherit_errexit   # a failure inside x="$(f)" stops the script as well
HERE="$(CDPATH="" cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
DRY_RUN='' VERBOSE='' ASSUME_YES='' WITH_SECRETS='' COMMAND='' NAMES=()

# shellcheck source-path=SCRIPTDIR
source "$HERE/deploy/gcloud.sh"
source "$HERE/deploy/refusals.sh"
source "$HERE/deploy/settings.sh"
source "$HERE/deploy/access.sh"
source "$HERE/deploy/secrets.sh"
source "$HERE/deploy/services.sh"
source "$HERE/deploy/schedule.sh"
source "$HERE/deploy/alerts.sh"
source "$HERE/deploy/status.sh"
source "$HERE/deploy/check.sh"
source "$HERE/deploy/rights.sh"
source "$HERE/deploy/remove.sh"

usage() {
  cat <<'TEXT'
Usage: ./deploy.sh [--dry-run] [-v] [COMMAND]

  (none)             setup, then functions, then what to paste into Meta's dashboard
  setup              once, with an owner's rights: APIs, service accounts, roles, the app secret, the accounts
  functions          again and again, with few rights: both functions, the schedule, the alerts
  account NAME...    allow these Threads accounts; no redeploy
  forget NAME...     stop looking after these accounts, and delete their tokens; asks first
  status             each account with its dates, and the last run; reads no token
  check              find what is wrong and say how to mend it; fails if anything is
  remove             take everything down; asks first; the tokens only with --with-secrets

  --dry-run          print the commands, change nothing
  -v                 name what is unchanged and what is good as well
  --yes              forget, remove: do not ask
  --with-secrets     remove: the tokens too

Settings (environment):
  PROJECT_ID           else gcloud's current project
  REGION               us-central1
  THREADS_APP_ID       the Threads App ID, needed by functions
  THREADS_APP_SECRET   asked for where none is stored, or where this is "ask"; stored where it differs
  THREADS_USERNAMES    accounts to allow, with commas between them
  ALERT_EMAIL          who hears of errors and of silence
  THREADS_SCOPES, THREADS_AUTHORIZE_URL, THREADS_API_URL, REFRESH_AFTER_HOURS, REFRESH_BUDGET_SECONDS
                       passed on to the functions
TEXT
}

bad_usage() {  # bad_usage WORDS...
  printf 'Not understood: %s.\n\n' "$*" >&2
  usage >&2
  exit 2
}

understand() {  # understand ARGUMENTS...
  local word
  for word in "$@"; do
    case "$word" in
      --dry-run) DRY_RUN=1 ;;
      -v) VERBOSE=1 ;;
      --yes) ASSUME_YES=1 ;;
      --with-secrets) WITH_SECRETS=1 ;;
      -h | --help) COMMAND=help ;;
      -* | '') bad_usage "$@" ;;
      *) if [[ $COMMAND ]]; then NAMES+=("$word"); else COMMAND="$word"; fi ;;
    esac
  done
  COMMAND="${COMMAND:-all}"
  case "$COMMAND${NAMES:+ NAMES}${ASSUME_YES:+ YES}${WITH_SECRETS:+ SECRETS}" in
    help | help\ * | all | setup | functions | status | check | account\ NAMES) ;;
    forget\ NAMES | forget\ NAMES\ YES | remove | remove\ YES | remove\ SECRETS | remove\ YES\ SECRETS) ;;
    *) bad_usage "$@" ;;
  esac
}

main() {
  understand "$@"
  if [[ $COMMAND == help ]]; then
    usage
    return
  fi
  settings
  google_cloud
  if [[ $COMMAND != account && $COMMAND != forget ]]; then look_at_regions; fi
  case "$COMMAND" in
    all)
      setup
      functions
      summary
      next_step
      ;;
    setup | functions)
      "$COMMAND"
      summary
      ;;
    account) allow_accounts ;;
    forget) forget_accounts ;;
    *) "$COMMAND" ;;
  esac
}

main "$@"; exit   # on one line: bash has read it, whatever becomes of this file meanwhile
