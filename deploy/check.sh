# shellcheck shell=bash
# What is wrong, and how to mend it: each advice changes the cause, and each that is a command can be run as it stands.
PROBLEMS=0
OAUTH_ENVIRONMENT='' REFRESH_ENVIRONMENT=''
UNSEEN=''   # what Google refused to show

good() { if [[ $VERBOSE ]]; then printf 'good   %s\n' "$1"; fi; }

wrong() {  # wrong WHAT HOW-TO-MEND
  PROBLEMS=$((PROBLEMS + 1))
  printf 'WRONG  %s\n       → %s\n' "$1" "$2"
}

try_to_look() {  # try_to_look WHAT COMMAND...: as `look`, and where it is refused the rest is checked all the same
  local what=$1
  shift
  if attempt "$@" || absent "$SAID"; then return; fi
  if [[ $UNSEEN != *"$what"* ]]; then UNSEEN+="${UNSEEN:+, }$what"; fi
}

check() {
  local name
  missing_apis
  if [[ ${#MISSING[@]} -gt 0 ]]; then   # with an API off, nothing else could be looked at
    wrong "APIs that are off: ${MISSING[*]%.googleapis.com}" "$(again setup)"
  else
    good "APIs on"
    environment_of threads-refresh
    REFRESH_ENVIRONMENT="$FOUND"
    environment_of threads-oauth
    OAUTH_ENVIRONMENT="$FOUND"
    check_credentials   # first, since setup asks for a secret where none is in use
    check_identities
    for name in threads-oauth threads-refresh; do check_function "$name"; done
    check_elsewhere
    check_environment
    check_addresses
    check_schedule
    check_last_run
    check_alerts
    list_secrets
    check_accounts
  fi
  if [[ $UNSEEN ]]; then echo "note   not looked at, since Google refused it to $ACCOUNT: $UNSEEN"; fi
  if [[ $PROBLEMS -gt 0 ]]; then
    echo
    echo "$PROBLEMS to mend. People sign in at $PUBLIC_URL/"
    exit 1
  fi
  echo "all well; people sign in at $PUBLIC_URL/"
}

environment_of() {  # NAME=VALUE lines into FOUND; a mounted secret is NAME==SECRET
  look gcloud run services describe "$1" --region="$REGION" --flatten='spec.template.spec.containers[0].env[]' \
    --format='value[separator="="](spec.template.spec.containers[0].env.name,spec.template.spec.containers[0].env.value,
      spec.template.spec.containers[0].env.valueFrom.secretKeyRef.name)'
}

deployed() {  # deployed SETTING: its value in the functions that run
  sed -n "s/^$1=//p" <<<"$OAUTH_ENVIRONMENT"$'\n'"$REFRESH_ENVIRONMENT" | sed 's/=*$//' | head -n 1
}

check_function() {
  local name off ingress source latest ready account image limits before=$PROBLEMS
  IFS='|' read -r name off ingress source latest ready account image limits <<<"$(grep "^$1|" <<<"$SERVICES" || true)"
  if [[ -z $name ]]; then
    wrong "function $1 is not there in $REGION" "$(again functions)"
    return
  fi
  if [[ $account != "$(email "$1")" ]]; then wrong "$1 runs as $account" "$(again functions)"; fi
  if [[ $ready == *False* ]]; then
    wrong "the last deploy of $1 is not ready" "$(read_log "$1")"
  fi
  if [[ $image != *"/$REPOSITORY/$1"[:@]* && $image != *"/$REPOSITORY/$1" ]]; then
    wrong "$1 runs another image: $image" "$(again functions)"
  elif [[ $source != "$(source_sum)" ]]; then
    wrong "$1 was deployed from another source than the one in this folder" "$(again functions)"
  fi
  if [[ $latest != *True* ]]; then
    wrong "an older revision of $1 serves, not the latest" \
      "gcloud run services update-traffic $1 --to-latest --region=$REGION --project=$PROJECT_ID"
  fi
  if [[ ${ingress:-all} != all ]]; then wrong "$1 lets in \"$ingress\" traffic alone" "$(again functions)"; fi
  if [[ $limits != "$(limits_of "$1")" ]]; then
    wrong "$1 has other limits (calls at once, seconds, instances): ${limits//|/, }" "$(again functions)"
  fi
  if [[ $1 == threads-refresh && ${off,,} == true ]]; then
    wrong "threads-refresh has its invoker check off, so everybody may call it" \
      "gcloud run services update $1 --invoker-iam-check --region=$REGION --project=$PROJECT_ID"
  fi
  check_grants service "$1"
  if [[ $PROBLEMS -eq $before ]]; then good "$1"; fi
}

read_log() { echo "read its log: gcloud run services logs read $1 --region=$REGION --project=$PROJECT_ID"; }

check_environment() {
  local url
  if grep -q "^THREADS_APP_SECRET=" <<<"$REFRESH_ENVIRONMENT"; then
    wrong "threads-refresh is given the app secret" "$(again functions)"
  fi
  if [[ -z $OAUTH_ENVIRONMENT ]]; then return; fi   # no function, which was said
  url="$(deployed PUBLIC_URL)"
  if [[ $url != "$PUBLIC_URL" ]]; then
    wrong "PUBLIC_URL of threads-oauth is ${url:-not set}, its address is $PUBLIC_URL" "$(again functions)"
  fi
  if ! grep -qx "THREADS_APP_SECRET==$APP_SECRET" <<<"$OAUTH_ENVIRONMENT"; then
    wrong "threads-oauth is not given the app secret" "$(again functions)"
  fi
  url="$(deployed SIGN_IN_URL)"
  if [[ $REFRESH_ENVIRONMENT && $url != "$PUBLIC_URL" ]]; then
    wrong "SIGN_IN_URL of threads-refresh is ${url:-not set}, people sign in at $PUBLIC_URL" "$(again functions)"
  fi
}

http_status() { curl --disable --silent --output /dev/null --max-time 30 --write-out '%{http_code}' "$1" || true; }

check_addresses() {
  local answer
  answer="$(http_status "$PUBLIC_URL/")"
  case "$answer" in
    200) good "sign-in page answers" ;;
    401 | 403) wrong "the sign-in page is not public ($answer)" "$(again functions)" ;;
    404) wrong "nothing answers at $PUBLIC_URL (404)" "$(again functions)" ;;
    000) wrong "$PUBLIC_URL cannot be reached" "try from another network; then $(again functions)" ;;
    *) wrong "the sign-in page answers $answer" "$(read_log threads-oauth)" ;;
  esac
  answer="$(http_status "$REFRESH_URL/")"
  case "$answer" in
    401 | 403) good "refresh is private" ;;
    404 | 000) wrong "nothing answers at $REFRESH_URL ($answer)" "$(again functions)" ;;
    *) wrong "refresh answers everybody ($answer)" "$(close_refresh)" ;;
  esac
}

close_refresh() {  # what makes refresh private again, by what made it public
  if invoker_check_off threads-refresh; then
    echo "gcloud run services update threads-refresh --invoker-iam-check --region=$REGION --project=$PROJECT_ID"
    return
  fi
  read_policy service threads-refresh
  if grep -qxF "roles/run.invoker=allUsers" <<<"$(grants_in "$FOUND")"; then
    policy_words remove-iam-policy-binding service threads-refresh
    echo "${POLICY[*]} --member='allUsers' --role='roles/run.invoker' --project=$PROJECT_ID"
  else
    again functions
  fi
}

# Asks Threads for an app token with the id and the secret that sign-in uses. Both travel on standard input, and the
# answer holds a token: only its error code is ever shown.
check_credentials() {
  local secret answer code url id
  url="$(deployed THREADS_API_URL)" id="$(deployed THREADS_APP_ID)"
  url="${THREADS_API_URL:-${url:-https://graph.threads.com}}" id="${id:-$THREADS_APP_ID}"
  newest_version "$APP_SECRET"
  if [[ $FOUND != *ENABLED ]]; then
    wrong_app_secret
    return
  fi
  if [[ -z $id ]]; then return; fi   # no function yet, which was said
  if ! secret="$(gcloud secrets versions access latest --secret="$APP_SECRET" 2>/dev/null)"; then
    echo "note   $ACCOUNT may not read $APP_SECRET, so Threads was not asked whether it is right"
    return
  fi
  secret="${secret//\\/\\\\}" secret="${secret//\"/\\\"}"   # as curl's config file wants it
  answer="$(printf '%s\n' get "url = \"$url/oauth/access_token\"" 'data = "grant_type=client_credentials"' \
    "data-urlencode = \"client_id=$id\"" "data-urlencode = \"client_secret=$secret\"" |
    curl --disable --silent --max-time 30 --write-out '\n%{http_code}' --config - || true)"
  code="$(grep -oE '"(error_)?code" *: *[0-9]+' <<<"$answer" | grep -oE '[0-9]+' | head -n 1 || true)"
  case "${answer##*$'\n'} ${code:-0} ${answer,,}" in
    200\ *'"access_token"'*) good "Threads accepts the app id and secret" ;;
    429\ * | 5??\ * | 000\ * | *'"is_transient":true'*)
      wrong "Threads could not be asked about the app id and secret (${answer##*$'\n'})" "$(again check), later"
      ;;
    *"client secret"*)
      wrong "Threads refuses the app secret (code ${code:-none})" \
        "copy it again (App settings → Basic → Threads App secret): THREADS_APP_SECRET=ask $(again)"
      ;;
    *)
      wrong "Threads does not know THREADS_APP_ID $id (code ${code:-none}): is it the Meta App ID?" \
        "it is in App settings → Basic, further down than the Meta App ID: $(another_app_id "$id")"
      ;;
  esac
}

another_app_id() {  # what deploys another one: the one that the environment has, or one to fill in
  local given="$THREADS_APP_ID"
  if [[ -z $given || $given == "$1" ]]; then given=…; fi
  echo "THREADS_APP_ID=$given $(THREADS_APP_ID="$given" again functions)"
}
