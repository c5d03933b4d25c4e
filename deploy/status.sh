# shellcheck shell=bash
# What there is, from metadata and logs alone: no token is read.

readonly SERVICES_OF_OURS='resource.labels.service_name=("threads-oauth" OR "threads-refresh")'
readonly FAILED="resource.type=\"cloud_run_revision\" AND $SERVICES_OF_OURS AND severity>=ERROR AND jsonPayload.event:*"

last_run() {  # WHEN|MESSAGE of the last completed run, within a week
  look gcloud logging read "$(metric_filter)" --limit=1 --freshness=7d \
    --format='value[separator="|"](timestamp,jsonPayload.message)'
}

last_attempt() {  # STATE|WHEN|CODE
  look gcloud scheduler jobs describe threads-refresh --location="$REGION" \
    --format='value[separator="|"](state,lastAttemptTime,status.code)'
}

status() {
  local secret label version refreshed expires grant problem since detail state when code message
  list_secrets
  printf '%-32s %-8s %-21s %-21s %s\n' ACCOUNT VERSION REFRESHED EXPIRES "GRANT UNTIL"
  while IFS='|' read -r secret label version refreshed expires grant _ problem since detail; do
    if [[ -z $secret ]]; then continue; fi
    if [[ $label != "$LABEL" ]]; then
      printf '%-32s may not sign in: its secret has no label managed-by=%s\n' "$(username_of "$secret")" "$LABEL"
      continue
    fi
    printf '%-32s %-8s %-21s %-21s %s\n' "$(username_of "$secret")" "${version:--}" "${refreshed:--}" \
      "${expires:--}" "${grant:--}"
    if [[ $problem ]]; then echo "    $problem${since:+ since $since}${detail:+: $detail}"; fi
  done <<<"$(account_lines)"
  last_run
  IFS='|' read -r when message <<<"$FOUND"
  echo
  echo "last completed run: ${when:-none in a week} ${message:-}"
  last_attempt
  IFS='|' read -r state when code <<<"$FOUND"
  if [[ $code && $code != 0 ]]; then code=", which failed (code $code)"; else code=''; fi
  echo "schedule: ${state:-there is none}; last attempt: ${when:-none}$code"
  echo "sign in: $PUBLIC_URL/"
}

next_step() {
  cat <<TEXT

Paste into Meta's dashboard (Use cases → Access the Threads API → Customize → Settings), none with a slash at its end:
  Redirect Callback URLs   $PUBLIC_URL/callback
  Uninstall Callback URL   $PUBLIC_URL/uninstall
  Delete Callback URL      $PUBLIC_URL/delete
Press Enter after the first, so that it becomes a chip; then Save.

TEXT
  if [[ $DRY_RUN ]]; then
    echo "Nothing was changed. Next: the same without --dry-run."
  elif [[ -z $(account_lines) ]]; then
    echo "Next: ./deploy.sh account USERNAME, and then open $PUBLIC_URL/ and sign in."
  else
    echo "Next: open $PUBLIC_URL/ and sign in. ./deploy.sh check says whether all is well."
  fi
}

seconds_of() {  # RFC 3339 in UTC to Unix seconds, by the civil calendar: `date -d` is not everywhere
  if [[ ! $1 =~ ^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2}) ]]; then
    echo 0
    return
  fi
  local year=$((10#${BASH_REMATCH[1]})) month=$((10#${BASH_REMATCH[2]})) day=$((10#${BASH_REMATCH[3]})) days
  if ((month <= 2)); then ((year -= 1, month += 12)); fi   # a year that ends with February has its leap day last
  ((days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 719468))
  echo $((days * 86400 + 10#${BASH_REMATCH[4]} * 3600 + 10#${BASH_REMATCH[5]} * 60 + 10#${BASH_REMATCH[6]}))
}

days_left() {
  local now
  printf -v now '%(%s)T' -1
  echo $((($(seconds_of "$1") - now) / 86400))
}
