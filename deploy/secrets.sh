# shellcheck shell=bash
# The app secret, and one secret for each Threads account: that it is there is what allows the account.

readonly APP_SECRET=threads-app-secret
SECRETS=''         # what list_secrets found
WANTED_SECRET=''   # what is being made, for the advice where that is refused

# A username has no "-", so the "." can be had back.
secret_of() {
  local name=${1,,}
  echo "threads-token-${name//./-}"
}

username_of() {
  local name=${1#threads-token-}
  echo "${name//-/.}"
}

# NAME|LABEL|VERSION|REFRESHED|EXPIRES|GRANT|END|PROBLEM|SINCE|DETAIL of all secrets of ours, from metadata alone. END
# is when Google deletes the secret itself, which somebody may have set.
list_secrets() {
  look gcloud secrets list --format='value[separator="|"](name.basename(),labels.managed-by,annotations.version,
    annotations.refreshed-at,annotations.expires-at,annotations.data-access-expires-at,expireTime,
    annotations.problem,annotations.problem-since,annotations.problem-detail)'
  SECRETS="$(grep -E "^($APP_SECRET|threads-token-[^|]*)[|]" <<<"$FOUND" || true)"
}

secret_line() { grep "^$1|" <<<"$SECRETS" || true; }            # secret_line NAME
account_lines() { grep '^threads-token-' <<<"$SECRETS" || true; }

newest_version() {  # NUMBER|STATE or nothing, into FOUND: `latest` is the newest created, whatever its state
  look gcloud secrets versions list "$1" --limit=1 --format='value[separator="|"](name.basename(),state)'
  FOUND="${FOUND^^}"
}

need_app_secret() {
  STORED=''
  if grep -qx secretmanager.googleapis.com <<<"$ENABLED_APIS"; then
    newest_version "$APP_SECRET"
    if [[ $FOUND == *ENABLED ]]; then STORED=1; fi
  fi
  if [[ $THREADS_APP_SECRET == ask ]]; then
    THREADS_APP_SECRET=''
  elif [[ $THREADS_APP_SECRET || $STORED || $DRY_RUN ]]; then
    return
  fi
  if [[ $DRY_RUN ]]; then return; fi
  if [[ ! -t 0 ]]; then die "Set THREADS_APP_SECRET: no app secret is given, and there is no terminal to ask on."; fi
  stty -echo   # until the end: what is typed ahead is not shown either
  while [[ ! $THREADS_APP_SECRET =~ ^$SECRET_SHAPE$ ]]; do
    if [[ $THREADS_APP_SECRET ]]; then echo "That has blanks in it. Copy it again from Meta's dashboard."; fi
    printf 'Threads App secret (not shown; Ctrl-C to stop): '
    if ! read_line THREADS_APP_SECRET; then
      stty echo
      die '' "No app secret given."
    fi
    echo
  done
  stty echo
}

# In turns of a second: a Ctrl-C that comes just before a `read` begins is heard when it ends, so it must end by itself.
read_line() {  # read_line VARIABLE: fails where the input has ended
  local status=200
  while [[ $status -gt 128 ]]; do
    status=0
    IFS=$' \t\r' read -r -t 1 "$1" || status=$?
  done
  return "$status"
}

ensure_app_secret_value() {
  if [[ $STORED && $THREADS_APP_SECRET ]]; then
    look gcloud secrets versions access latest --secret="$APP_SECRET"
    if [[ $FOUND != "$THREADS_APP_SECRET" ]]; then STORED=''; fi
    FOUND=''
  fi
  if [[ $STORED ]]; then
    say there "app secret"
    return
  fi
  INPUT="$THREADS_APP_SECRET"
  run gcloud secrets versions add "$APP_SECRET" --data-file=-
  INPUT=''
  say updated "app secret"
  # A running instance keeps the value that it started with.
  if [[ $COMMAND == setup ]]; then echo "         ./deploy.sh functions makes threads-oauth take it up"; fi
}

wrong_app_secret() {  # the newest version of it is in FOUND
  if [[ $FOUND == *DISABLED ]]; then
    wrong "the app secret is disabled" \
      "gcloud secrets versions enable ${FOUND%|*} --secret=$APP_SECRET --project=$PROJECT_ID"
  else
    wrong "no app secret is stored" "THREADS_APP_SECRET=ask $(again)"
  fi
}

ensure_secret() {  # ensure_secret NAME [LABEL]
  local line label
  line="$(secret_line "$1")"
  IFS='|' read -r _ label _ <<<"$line"
  if [[ -z $line ]]; then
    create_secret "$1" ${2:+"--labels=managed-by=$2"}
    SECRETS+="${SECRETS:+$'\n'}$1|${2:-}|"
  elif [[ ${2:-} && $label != "$2" ]]; then
    run gcloud secrets update "$1" --update-labels="managed-by=$2"
    say updated "secret $1: label managed-by=$2"
  else
    say there "secret $1"
  fi
}

create_secret() {  # create_secret NAME [FLAGS...]
  local try create=(gcloud secrets create "$@")
  WANTED_SECRET="$1"
  if [[ $DRY_RUN ]]; then
    run "${create[@]}" --replication-policy=automatic
    return
  fi
  for ((try = 1; ; try++)); do
    if attempt "${create[@]}" --replication-policy=automatic; then
      say created "secret $1"
      return
    fi
    if [[ $SAID == *gcp.resourceLocations* ]]; then break; fi
    passes "$SAID" "$try" || refused "$SAID" "${create[@]}"
  done
  run "${create[@]}" --replication-policy=user-managed --locations="$REGION"
  say created "secret $1, in $REGION alone: an organisation policy forbids what is everywhere"
}

allow() {  # allow USERNAME
  local secret
  secret="$(secret_of "$1")"
  ensure_secret "$secret" "$LABEL"
  ensure_grants secret "$secret"
}

# Refused before anything is made where setup has not run: a secret without rights helps nobody.
allow_accounts() {
  local name
  list_accounts
  for name in threads-oauth threads-refresh; do
    if [[ -z $(account_line "$name") ]]; then
      die "There is no service account $name in $PROJECT_ID yet. First: $(again setup)"
    fi
  done
  look_at_role threadsTokenStore
  if [[ -z $FOUND || $FOUND == True* ]]; then die "There is no role threadsTokenStore yet. First: $(again setup)"; fi
  list_secrets
  for name in "${NAMES[@]}"; do allow "$name"; done
  summary
}

forget_accounts() {
  local name secret secrets=()
  list_secrets
  for name in "${NAMES[@]}"; do
    secret="$(secret_of "$name")"
    if [[ " ${secrets[*]} " == *" $secret "* ]]; then continue; fi   # given twice
    if [[ -z $(secret_line "$secret") ]]; then
      die "There is no secret $secret in $PROJECT_ID, so nothing was deleted. ./deploy.sh status names the accounts."
    fi
    secrets+=("$secret")
  done
  echo "To be deleted from project $PROJECT_ID, for good:"
  for secret in "${secrets[@]}"; do describe_secret "$secret"; done
  echo "What these people granted to the app ends at Threads: Settings → Account → Website permissions."
  confirm 'Delete these?' 'Nothing was deleted.'
  for secret in "${secrets[@]}"; do
    run gcloud secrets delete "$secret"
    say removed "secret $secret"
  done
}

describe_secret() {  # what goes with a secret: its token, and everybody's rights on it
  local expires reader readers=''
  IFS='|' read -r _ _ _ _ expires _ <<<"$(secret_line "$1")"
  read_policy secret "$1"
  for reader in $(grants_in "$FOUND"); do
    if ! is_ours "$(member_of "$reader")"; then readers+=" $(member_of "$reader")"; fi
  done
  echo "  secret $1 with all its versions${expires:+ (the token is good until $expires)}"
  if [[ $readers ]]; then echo "    who reads it besides the keeper, and then no longer can:$readers"; fi
}

check_accounts() {
  local secret label expires grant end problem since detail name found=
  while IFS='|' read -r secret label _ _ expires grant end problem since detail; do
    name="$(username_of "$secret")"
    if [[ $end ]]; then
      wrong "secret $secret deletes itself at $end" \
        "gcloud secrets update $secret --remove-expiration --project=$PROJECT_ID"
    fi
    if [[ $secret != threads-token-* ]]; then continue; fi
    if [[ $label != "$LABEL" ]]; then
      wrong "secret $secret has no label managed-by=$LABEL, so its account may not sign in (forget $name deletes it)" \
        "$(again account "$name")"
      continue
    fi
    found=1
    check_account "$secret" "$expires" "$grant" "$problem" "$since" "$detail"
  done <<<"$SECRETS"
  if [[ -z $found ]]; then wrong "no account is allowed to sign in" "$(again account USERNAME)"; fi
}

check_account() {  # check_account SECRET EXPIRES GRANT PROBLEM SINCE DETAIL
  local name number state before=$PROBLEMS
  name="$(username_of "$1")"
  check_grants secret "$1"
  newest_version "$1"
  IFS='|' read -r number state <<<"$FOUND"
  case "$4" in
    '') ;;
    sign_in_again) wrong "$name: $4${5:+ since $5}${6:+: $6}" "sign in as $name: $PUBLIC_URL/" ;;
    unclear) wrong "$name: $4${5:+ since $5}${6:+: $6}" "the next run asks again, and says if $name must sign in" ;;
    *) wrong "$name: $4${5:+ since $5}${6:+: $6}" "mend that; then $(run_now)" ;;
  esac
  case "$state" in
    ENABLED) ;;
    DISABLED)
      wrong "$name: the newest version ($number) is disabled, and readers of \"latest\" fail" \
        "gcloud secrets versions enable $number --secret=$1 --project=$PROJECT_ID"
      ;;
    *)
      if [[ -z $4 ]]; then wrong "$name: nobody has signed in yet" "sign in as $name: $PUBLIC_URL/"; fi
      return
      ;;
  esac
  check_days "$name" "token" "$2"
  check_days "$name" "permission grant" "$3"
  if [[ $PROBLEMS -eq $before ]]; then good "$name"; fi
}

check_days() {  # check_days NAME WHAT UNTIL
  if [[ -z $3 ]]; then return; fi
  local left
  left="$(days_left "$3")"
  if [[ $(seconds_of "$3") -lt $(printf '%(%s)T' -1) ]]; then
    wrong "$1: the $2 expired at $3" "sign in again as $1: $PUBLIC_URL/"
  elif ((left < 14)); then
    wrong "$1: the $2 has $left days left (until $3)" "sign in again as $1: $PUBLIC_URL/"
  fi
}
