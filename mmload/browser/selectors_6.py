"""The web application of 6.7: what is different from the later ones."""

from dataclasses import replace

from mmload.browser.selectors_11 import SELECTORS_11

SELECTORS_6 = replace(
    SELECTORS_11,
    family="6.7",
    login_name="#loginId, #input_loginId",
    login_password="#loginPassword, #input_password-input",
    login_button="#loginButton, #saveSetting",
    login_error=".form-group.has-error, .AlertBanner.danger",
    search_box="#searchFormContainer #searchBox",
    search_input="#searchFormContainer #searchBox",
    thread_item="article.ThreadItem",
)
