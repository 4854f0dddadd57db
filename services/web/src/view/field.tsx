/** A labelled line to write in, with what to know beforehand below it, or what was wrong. */

import type { ComponentChildren, JSX } from "preact";
import { useId, useState } from "preact/hooks";

type Native = "class" | "inputMode" | "defaultValue" | "autocomplete" | "autocapitalize" | "spellcheck" | "maxLength";

interface Props extends Pick<JSX.IntrinsicElements["input"], Native> {
  label: string;
  name: string;
  type?: "text" | "email" | "password";
  hint?: ComponentChildren;
  mistake: string | undefined;
  /** Stands in the field, at its end. */
  children?: ComponentChildren;
}

export function Field({ label, hint, mistake, children, type = "text", ...native }: Props) {
  const id = useId();
  const note = mistake ?? hint;
  // Preact has one type for each type of input, and none for one of several.
  const input = { ...native, type } as JSX.IntrinsicElements["input"];
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-line">
        <input
          {...input}
          id={id}
          aria-invalid={mistake !== undefined}
          aria-describedby={note === undefined ? undefined : `${id}-note`}
        />
        {children}
      </div>
      {note !== undefined && (
        <small id={`${id}-note`} class={mistake === undefined ? "hint" : "mistake"}>
          {note}
        </small>
      )}
    </div>
  );
}

/** A password can be looked at while it is written. */
export function PasswordField(props: Omit<Props, "type" | "children" | "name" | "label">) {
  const [isShown, setShown] = useState(false);
  return (
    <Field
      {...props}
      label="Password"
      name="password"
      type={isShown ? "text" : "password"}
      spellcheck={false}
      autocapitalize="none"
    >
      <button type="button" class="field-button" aria-label="Show the password" aria-pressed={isShown} onClick={() => setShown(!isShown)}>
        {isShown ? "Hide" : "Show"}
      </button>
    </Field>
  );
}
